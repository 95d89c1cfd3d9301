-- What must never be true between rows: each query gives the `subject` of every place where it is. The words are in check.py.

-- name: report_of_no_job
SELECT DISTINCT subject FROM messages WHERE kind = 'report' AND subject NOT IN (SELECT job_id FROM jobs)
    AND subject NOT IN (SELECT kept_as FROM dropped_jobs);

-- name: timeline_of_no_job
SELECT DISTINCT job_id AS subject FROM events WHERE job_id NOT IN (SELECT job_id FROM jobs)
    AND job_id NOT IN (SELECT kept_as FROM dropped_jobs);

-- name: open_tx_without_messages
SELECT tx_hash AS subject FROM txs WHERE status = 'open' AND id NOT IN (SELECT tx_id FROM messages WHERE tx_id IS NOT NULL);

-- name: waits_in_a_closed_tx
SELECT DISTINCT m.subject FROM messages m JOIN txs t ON t.id = m.tx_id WHERE m.status = 'waiting' AND t.status <> 'open';

-- name: confirmed_without_inclusion
SELECT DISTINCT m.subject FROM messages m LEFT JOIN txs t ON t.id = m.tx_id WHERE m.status = 'confirmed' AND t.status IS NOT 'included';

-- name: promise_without_report
SELECT job_id AS subject FROM jobs
WHERE parked = '' AND json_extract(value, '$.promised') <> reported AND NOT EXISTS (
    SELECT 1 FROM messages
    WHERE kind = 'report' AND subject = job_id AND status = 'waiting' AND messages.state = json_extract(jobs.value, '$.promised')
);

-- name: reports_out_of_order
WITH waiting AS (
    SELECT id, subject, CASE state WHEN 'queued' THEN 1 WHEN 'running' THEN 2 ELSE 3 END AS rank
    FROM messages WHERE kind = 'report' AND status = 'waiting'
)
SELECT DISTINCT subject FROM (SELECT subject, rank, lag(rank) OVER (PARTITION BY subject ORDER BY id) AS before FROM waiting) WHERE before >= rank;

-- name: closed_and_not_final
SELECT job_id AS subject FROM jobs WHERE closed_at IS NOT NULL AND reported NOT IN ('completed', 'failed', 'cancelled', 'timeout')
    AND json_extract(value, '$.hold') IS NULL;

-- name: columns_differ
SELECT job_id AS subject FROM jobs
WHERE job_id IS NOT json_extract(value, '$.spec.job_id') OR slurm_id IS NOT json_extract(value, '$.slurm_id')
    OR state IS NOT json_extract(value, '$.state') OR reported IS NOT json_extract(value, '$.reported')
    OR parked IS NOT coalesce(json_extract(value, '$.parked.reason'), '') OR closed_at IS NOT json_extract(value, '$.closed_at');

-- name: one_slurm_job_for_two
SELECT slurm_id AS subject FROM jobs WHERE closed_at IS NULL AND slurm_id <> '' GROUP BY cluster_id, slurm_id HAVING count(*) > 1;

-- name: count_jobs
SELECT CASE WHEN closed_at IS NOT NULL THEN 'closed' WHEN parked <> '' THEN 'parked' ELSE state END AS what, count(*) AS n FROM jobs GROUP BY 1;

-- name: count_messages
SELECT status AS what, count(*) AS n FROM messages GROUP BY 1;

-- name: count_txs
SELECT status AS what, count(*) AS n FROM txs GROUP BY 1;

-- name: count_quarantine
SELECT 'set aside' AS what, count(*) AS n FROM quarantine HAVING n > 0;
