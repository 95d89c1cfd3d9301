-- Signed snapshots of usage: reconciliation keeps them as evidence.

CREATE TABLE snapshots (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id       TEXT NOT NULL,
    sequence     INTEGER NOT NULL,        -- of the job, from 0
    type         TEXT NOT NULL CHECK (type IN ('interim', 'final', 'reconciliation', 'dispute')),
    taken_at     REAL NOT NULL,
    document     BLOB NOT NULL,           -- what was signed, byte for byte
    content_hash TEXT NOT NULL UNIQUE,
    previous     TEXT NOT NULL,           -- content_hash of the job's snapshot before it, '' of its first
    signature    TEXT NOT NULL,
    UNIQUE (job_id, sequence)
) STRICT;

CREATE INDEX snapshots_type ON snapshots (type, taken_at);
