-- name: open_jobs_by_state
SELECT cluster_id, state, parked, count(*) AS jobs FROM jobs WHERE closed_at IS NULL GROUP BY 1, 2, 3;

-- name: ended_unconfirmed
SELECT job_id FROM jobs WHERE closed_at IS NULL AND state IN ('completed', 'failed', 'cancelled', 'timeout')
    AND reported NOT IN ('completed', 'failed', 'cancelled', 'timeout');

-- name: fees_lately
-- Bounded: a key makes at most a transaction a block, 15,000 a day.
SELECT coalesce(sum(fee), 0) AS fees, min(created_at) AS since
FROM (SELECT signer, fee, created_at, status, height FROM txs ORDER BY id DESC LIMIT 50000)
WHERE signer = :signer AND created_at >= :since AND (status = 'included' OR height > 0);
