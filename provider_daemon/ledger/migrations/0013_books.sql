-- Books: what jobs were paid, what moved on our accounts, and closed months.

CREATE TABLE accounted (
    job_id     TEXT PRIMARY KEY,
    cluster_id TEXT NOT NULL,
    status     TEXT NOT NULL,             -- the chain's settlement status, '' while the chain has no accounting
    total      INTEGER NOT NULL,          -- uvirt
    ended_at   REAL NOT NULL,
    booked_at  REAL,                      -- when the payment entered the books; NULL while the job is not paid
    next_at    REAL,                      -- when it is read again; NULL once it is paid
    value      TEXT NOT NULL              -- the whole Accounted (money/account.py)
) STRICT;

CREATE INDEX accounted_due ON accounted (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX accounted_unpaid ON accounted (cluster_id, status, total) WHERE next_at IS NOT NULL;
CREATE INDEX accounted_booked ON accounted (booked_at) WHERE booked_at IS NOT NULL;

-- The balances of our accounts from time to time, each with all that moved since the note before it.
CREATE TABLE notes (
    id      INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    at      REAL NOT NULL,
    value   TEXT NOT NULL                 -- the whole Note (money/account.py)
) STRICT;

CREATE INDEX notes_address ON notes (address, at);

-- Months whose books are closed. Each names the hash of the one closed before it.
CREATE TABLE closings (
    month     TEXT PRIMARY KEY,           -- 2026-11
    closed_at REAL NOT NULL,
    hash      TEXT NOT NULL,              -- SHA-256 of the document
    document  BLOB NOT NULL
) STRICT;
