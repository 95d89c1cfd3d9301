-- `provd ledger repair`: run by an operator, so it may read everything.

-- name: open_or_parked
SELECT job_id, value FROM jobs WHERE closed_at IS NULL AND (parked <> '' OR slurm_id <> '') ORDER BY rowid;

-- name: all_jobs
SELECT job_id, value FROM jobs ORDER BY rowid;
