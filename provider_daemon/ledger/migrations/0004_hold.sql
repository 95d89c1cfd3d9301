-- Jobs on hold are found without reading every job, and a job that is not on chain can leave its number to the one that is.

CREATE INDEX jobs_hold ON jobs (CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END)
    WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END IS NOT NULL;

CREATE TABLE dropped_jobs (
    id         INTEGER PRIMARY KEY,
    job_id     TEXT NOT NULL,
    kept_as    TEXT NOT NULL,             -- what its messages, events and snapshots are found under: <job_id>@<id>
    reason     TEXT NOT NULL,
    dropped_at REAL NOT NULL,
    value      TEXT NOT NULL              -- the whole Job as it was
) STRICT;

CREATE INDEX dropped_jobs_job ON dropped_jobs (job_id);
CREATE INDEX dropped_jobs_kept_as ON dropped_jobs (kept_as);
