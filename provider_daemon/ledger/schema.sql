-- The ledger: the only durable state. The whole schema, for a new file; an older file comes to the same by migrations/.
-- Times are seconds since the epoch; JSON columns hold frozen values (rows.py).

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
    job_id     TEXT PRIMARY KEY,
    cluster_id TEXT NOT NULL,
    name       TEXT NOT NULL UNIQUE,      -- the SLURM job name
    slurm_id   TEXT NOT NULL,
    state      TEXT NOT NULL,
    reported   TEXT NOT NULL,
    parked     TEXT NOT NULL,             -- the reason (job/parking.py), '' while it is not parked
    closed_at  REAL,
    value      TEXT NOT NULL              -- the whole Job; the columns above repeat what is searched or counted
) STRICT;

CREATE INDEX jobs_open ON jobs (cluster_id) WHERE closed_at IS NULL;
CREATE INDEX jobs_closed ON jobs (cluster_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX jobs_customer ON jobs (CASE WHEN json_valid(value) THEN json_extract(value, '$.spec.customer') END);
CREATE INDEX jobs_hold ON jobs (CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END)
    WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END IS NOT NULL;
CREATE INDEX jobs_waiting ON jobs (cluster_id, CASE WHEN json_valid(value) THEN json_extract(value, '$.spec.customer') END)
    WHERE closed_at IS NULL AND slurm_id = '' AND state = 'pending';
CREATE INDEX jobs_user ON jobs (cluster_id, CASE WHEN json_valid(value) THEN json_extract(value, '$.user') END, closed_at)
    WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.user') END <> '';

-- Jobs whose number on chain belongs to another job, or to none: out of the way, and kept as a record.
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

-- Chain records that could not be read: set aside, never a reason to stop the rest.
CREATE TABLE quarantine (
    job_id TEXT PRIMARY KEY,
    why    TEXT NOT NULL,
    at     REAL NOT NULL
) STRICT;

-- Jobs that intake has taken or refused in the last day: what a customer's limits count.
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

-- Ranges of job numbers that were left on chain: of a customer at a limit, or (customer '') not read yet.
CREATE TABLE postponed (
    first      INTEGER PRIMARY KEY,
    last       INTEGER NOT NULL,
    cluster_id TEXT NOT NULL,
    customer   TEXT NOT NULL,
    reason     TEXT NOT NULL,             -- a Limit (job/customer_limits.py), '' of numbers that were not read
    since      REAL NOT NULL
) STRICT;

CREATE INDEX postponed_customer ON postponed (customer, cluster_id, first);

-- Everything that a key signs. A message is immutable; only its status, its transaction and its note change.
-- AUTOINCREMENT: replaced heartbeats are deleted, and whoever still holds the id of one must never meet another message under it.
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    signer     TEXT NOT NULL,             -- bech32 address
    kind       TEXT NOT NULL CHECK (kind IN ('report', 'operator', 'node', 'cluster')),
    subject    TEXT NOT NULL,             -- job id, name of an operator's message, node id, cluster id
    state      TEXT NOT NULL,             -- of a report: the job state that it says
    body       BLOB NOT NULL,             -- google.protobuf.Any
    created_at REAL NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('waiting', 'confirmed', 'dropped', 'kept')),
    tx_id      INTEGER REFERENCES txs (id),
    note       TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX messages_waiting ON messages (signer, kind DESC, id) WHERE status = 'waiting';
CREATE INDEX messages_subject ON messages (subject);
CREATE INDEX messages_tx ON messages (tx_id);
CREATE INDEX messages_spent ON messages (created_at) WHERE kind IN ('node', 'cluster') AND status <> 'waiting';

CREATE TABLE txs (
    id             INTEGER PRIMARY KEY,
    signer         TEXT NOT NULL,
    tx_hash        TEXT NOT NULL UNIQUE,
    tx_bytes       BLOB NOT NULL,         -- empty once they are old: what was signed is in its messages, and in a block or nowhere
    sequence       INTEGER NOT NULL,
    timeout_height INTEGER NOT NULL,
    fee            INTEGER NOT NULL,
    created_at     REAL NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('open', 'included', 'failed', 'expired')),
    height         INTEGER NOT NULL DEFAULT 0,
    code           INTEGER NOT NULL DEFAULT 0,
    gas_used       INTEGER NOT NULL DEFAULT 0,
    note           TEXT NOT NULL DEFAULT ''
) STRICT;

-- One open transaction a key: the sequence of the next one is known only when this one's fate is.
CREATE UNIQUE INDEX one_open_tx ON txs (signer) WHERE status = 'open';

CREATE INDEX txs_status ON txs (status);
CREATE INDEX txs_lately ON txs (signer, created_at, status, height, fee);
CREATE INDEX txs_bulky ON txs (created_at) WHERE tx_bytes <> x'';

CREATE TABLE events (
    id     INTEGER PRIMARY KEY,
    at     REAL NOT NULL,
    job_id TEXT NOT NULL,
    what   TEXT NOT NULL,                 -- an EventKind
    detail TEXT NOT NULL,                 -- for people alone
    state  TEXT NOT NULL DEFAULT ''       -- the job state that it is about
) STRICT;

CREATE INDEX events_job ON events (job_id);

-- Signed records of a job's usage, each naming the one before it: what was known of a job at what time, kept as evidence.
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

-- Which Unix user at a site serves which customer (job/leases.py). Ended leases stay as a record.
CREATE TABLE leases (
    id           INTEGER PRIMARY KEY,
    cluster_id   TEXT NOT NULL,
    user         TEXT NOT NULL,             -- Unix user at the site
    customer     TEXT NOT NULL,             -- chain address, '' if the lease file at the site names nobody
    leased_at    REAL NOT NULL,
    confirmed_at REAL,                      -- when the lease file at the site was first read back
    released_at  REAL,                      -- when it began to be returned
    free_at      REAL,                      -- when its quarantine is over; NULL until nothing of the customer is left
    ended_at     REAL,                      -- when the lease file at the site was removed
    held_by      TEXT NOT NULL DEFAULT '',  -- a lease file of others, cut
    forced       INTEGER NOT NULL DEFAULT 0 CHECK (forced IN (0, 1))
) STRICT;

-- A Unix user serves one customer at a time.
CREATE UNIQUE INDEX one_lease ON leases (cluster_id, user) WHERE ended_at IS NULL;
CREATE INDEX leases_user ON leases (cluster_id, user, id);

-- When a cluster runs no jobs (job/maintenance.py): what operators planned, and what SLURM has reserved with the flag MAINT.
CREATE TABLE maintenance (
    id         INTEGER PRIMARY KEY,
    cluster_id TEXT NOT NULL,
    source     TEXT NOT NULL CHECK (source IN ('operator', 'slurm')),
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL CHECK (ends_at > starts_at),
    nodes_left INTEGER NOT NULL,            -- how many nodes still run jobs meanwhile
    reason     TEXT NOT NULL                -- of an operator, for customers; the name of SLURM's reservation
) STRICT;

CREATE INDEX maintenance_cluster ON maintenance (cluster_id, ends_at);

-- Disputes about our jobs, and the evidence that answers them.
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

-- What the chain has accounted for ended jobs.
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

-- What operators decided about customers while the daemon ran, beside [customers] of the configuration.
CREATE TABLE customer_rules (
    customer TEXT PRIMARY KEY,           -- chain address
    access   TEXT NOT NULL CHECK (access IN ('', 'allowed', 'blocked')),
    reason   TEXT NOT NULL,              -- of a block; public on chain
    limits   TEXT NOT NULL,              -- JSON: limit -> number, those that differ from the configuration's
    by       TEXT NOT NULL,              -- the operator
    at       REAL NOT NULL
) STRICT;

-- Compute nodes whose agents may report to the collector. One token a node: a new one replaces it.
CREATE TABLE node_allowed (
    node_id          TEXT PRIMARY KEY,      -- the first one: <cluster>.<host>
    cluster_id       TEXT NOT NULL,
    hostname         TEXT NOT NULL,
    provider_address TEXT NOT NULL,
    token_sha256     TEXT NOT NULL,         -- hex digest of its token, '' if its agent has none
    issued_at        REAL NOT NULL,
    expires_at       REAL NOT NULL,         -- of the token
    agent_key        TEXT NOT NULL,         -- base64: key of an agent without a token, '' otherwise
    revoked_at       REAL NOT NULL,         -- 0 while it is not revoked
    operator         TEXT NOT NULL,         -- who decided last
    keys_since       REAL NOT NULL          -- when it was last revoked: keys registered before are invalid
) STRICT;

CREATE INDEX node_allowed_cluster ON node_allowed (cluster_id);

-- Signed commands to the agents of compute nodes (nodes/command.py).
CREATE TABLE node_commands (
    command_id  TEXT PRIMARY KEY,
    node_id     TEXT NOT NULL,
    cluster_id  TEXT NOT NULL,
    sequence    INTEGER NOT NULL,           -- grows with every command to the node
    kind        TEXT NOT NULL,
    document    TEXT NOT NULL,              -- what was signed
    signature   TEXT NOT NULL,
    issued_at   INTEGER NOT NULL,
    deadline    INTEGER NOT NULL,
    operator    TEXT NOT NULL,
    reason      TEXT NOT NULL,
    result      TEXT NOT NULL DEFAULT '',   -- a CommandResult, '' while it is not known
    output      TEXT NOT NULL DEFAULT '',
    finished_at REAL NOT NULL DEFAULT 0,    -- 0 while the result is not known
    UNIQUE (node_id, sequence)
) STRICT;

CREATE INDEX node_commands_open ON node_commands (deadline) WHERE result = '';

-- Why compute nodes are not sold (nodes/hold.py).
CREATE TABLE node_holds (
    cluster_id TEXT NOT NULL,
    host       TEXT NOT NULL,               -- its name in SLURM
    source     TEXT NOT NULL CHECK (source IN ('operator', 'health')),
    since      REAL NOT NULL,
    reason     TEXT NOT NULL,
    good_since REAL NOT NULL,               -- since when a sick node is well again, 0 while it is not
    PRIMARY KEY (cluster_id, host, source)
) STRICT;
