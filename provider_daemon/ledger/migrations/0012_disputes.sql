-- Disputes about our jobs are kept, with the evidence that answers them.

CREATE TABLE disputes (
    dispute_id  TEXT PRIMARY KEY,
    job_id      TEXT NOT NULL,
    cluster_id  TEXT NOT NULL,
    open        INTEGER NOT NULL CHECK (open IN (0, 1)),
    opened_at   REAL NOT NULL,
    value       TEXT NOT NULL,              -- the chain's record (ports.Dispute)
    answered_at REAL,                       -- when the evidence was signed
    answer_hash TEXT NOT NULL DEFAULT '',   -- SHA-256 of the manifest that was signed
    answer      BLOB                        -- the evidence: a zip file
) STRICT;

CREATE INDEX disputes_job ON disputes (job_id);
CREATE INDEX disputes_open ON disputes (cluster_id) WHERE open = 1;
