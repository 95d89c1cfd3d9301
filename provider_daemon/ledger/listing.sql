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

-- name: set_aside
SELECT job_id, why, at FROM quarantine ORDER BY at DESC LIMIT :count;
