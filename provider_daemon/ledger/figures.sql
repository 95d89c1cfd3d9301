-- name: open_jobs_by_state
SELECT cluster_id, state, parked, count(*) AS jobs FROM jobs WHERE closed_at IS NULL GROUP BY 1, 2, 3;

-- name: jobs_on_hold
SELECT CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END AS reason, count(*) AS jobs
FROM jobs INDEXED BY jobs_hold WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END IS NOT NULL GROUP BY 1;

-- name: ended_unconfirmed
SELECT job_id FROM jobs WHERE closed_at IS NULL AND state IN ('completed', 'failed', 'cancelled', 'timeout')
    AND reported NOT IN ('completed', 'failed', 'cancelled', 'timeout');

-- name: fees_lately
SELECT coalesce(sum(fee), 0) AS fees, min(created_at) AS since FROM txs
WHERE signer = :signer AND created_at >= :since AND (status = 'included' OR height > 0);
