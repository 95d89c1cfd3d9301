-- name: count_jobs
SELECT count(*) AS jobs FROM jobs;

-- name: newest
SELECT rowid AS number, job_id, value FROM jobs WHERE rowid < :before ORDER BY rowid DESC LIMIT :count;

-- name: newest_open
SELECT rowid AS number, job_id, value FROM jobs WHERE rowid IN (
    SELECT rowid FROM jobs INDEXED BY jobs_open WHERE closed_at IS NULL AND rowid < :before ORDER BY rowid DESC LIMIT :count
) ORDER BY rowid DESC;

-- name: newest_parked
SELECT rowid AS number, job_id, value FROM jobs WHERE rowid IN (
    SELECT rowid FROM jobs INDEXED BY jobs_open WHERE closed_at IS NULL AND parked <> '' AND rowid < :before
    ORDER BY rowid DESC LIMIT :count
) ORDER BY rowid DESC;

-- name: found
-- No index has SLURM's ids, so they are looked for among the newest jobs only.
SELECT rowid AS number, job_id, value FROM jobs WHERE rowid IN (
    SELECT rowid FROM jobs WHERE job_id IN (:match, 'JOB-' || :match) OR name = :match
    UNION SELECT rowid FROM jobs WHERE rowid > (SELECT max(rowid) FROM jobs) - :among AND slurm_id = :match
) AND rowid < :before ORDER BY rowid DESC LIMIT :count;

-- name: of_customer
SELECT rowid AS number, job_id, value FROM jobs INDEXED BY jobs_customer
WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.spec.customer') END = :customer AND rowid < :before
ORDER BY rowid DESC LIMIT :count;

-- name: set_aside
SELECT job_id, why, at FROM quarantine ORDER BY at DESC LIMIT :count;

-- name: final_tx
SELECT t.tx_hash FROM messages m JOIN txs t ON t.id = m.tx_id
WHERE m.subject = :subject AND m.kind = 'report' AND m.status = 'confirmed' AND m.state IN ('completed', 'failed', 'cancelled', 'timeout')
ORDER BY m.id DESC LIMIT 1;

-- name: jobs_by_id
SELECT job_id, value FROM jobs WHERE job_id IN (SELECT value FROM json_each(:ids));

-- name: closed_since
SELECT job_id, value FROM jobs INDEXED BY jobs_closed
WHERE cluster_id = :cluster_id AND closed_at IS NOT NULL AND (closed_at, job_id) > (:since, :after) ORDER BY closed_at, job_id LIMIT :count;

-- name: known_names
SELECT name FROM jobs WHERE name IN (SELECT value FROM json_each(:names));
