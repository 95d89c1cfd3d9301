-- Limits per customer: what intake has taken of whom in the last day, which job numbers it left on chain, and who waits in the ledger.

CREATE TABLE admissions (
    job_id       TEXT PRIMARY KEY,
    cluster_id   TEXT NOT NULL,
    customer     TEXT NOT NULL,
    at           REAL NOT NULL,
    refused      INTEGER NOT NULL CHECK (refused IN (0, 1)),
    core_seconds INTEGER NOT NULL         -- what the job may use; once measured, what it used
) STRICT;

CREATE INDEX admissions_customer ON admissions (cluster_id, customer, at, refused, core_seconds);
CREATE INDEX admissions_at ON admissions (at);

CREATE TABLE postponed (
    first      INTEGER PRIMARY KEY,
    last       INTEGER NOT NULL,
    cluster_id TEXT NOT NULL,
    customer   TEXT NOT NULL,
    reason     TEXT NOT NULL,             -- a Limit (job/customer_limits.py), '' of numbers that were not read
    since      REAL NOT NULL
) STRICT;

CREATE INDEX postponed_customer ON postponed (customer, cluster_id, first);

CREATE INDEX jobs_waiting ON jobs (cluster_id, CASE WHEN json_valid(value) THEN json_extract(value, '$.spec.customer') END)
    WHERE closed_at IS NULL AND slurm_id = '' AND state = 'pending';
