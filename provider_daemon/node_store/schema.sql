-- The collector's database: which node agents are registered, and what each reported last.
-- The collector alone writes it; the daemon and the commands read it. Times are seconds since the epoch.

CREATE TABLE agents (
    node_id       TEXT PRIMARY KEY,
    cluster_id    TEXT NOT NULL,
    hostname      TEXT NOT NULL,
    public_key    TEXT NOT NULL,               -- base64
    fingerprint   TEXT NOT NULL,               -- of the hardware
    agent_version TEXT NOT NULL,
    token_sha256  TEXT NOT NULL,               -- the token that it registered with; '' without one
    registered_at REAL NOT NULL,
    seen_at       REAL NOT NULL,               -- of the last accepted heartbeat, or of the registration
    interval      INTEGER NOT NULL,            -- seconds until the next heartbeat, as the collector asked
    sequence      INTEGER NOT NULL DEFAULT 0,  -- of the last accepted heartbeat
    signed_at     REAL NOT NULL DEFAULT 0,     -- the time in that heartbeat, by the node's clock
    heartbeat     TEXT,                        -- NULL before the first
    hardware      TEXT,                        -- these three as last reported, NULL if never
    topology      TEXT,
    locality      TEXT
) STRICT;

CREATE INDEX agents_cluster ON agents (cluster_id);

-- Nonces of registrations, until the signed time of their request is too old anyway.
CREATE TABLE nonces (
    nonce      TEXT PRIMARY KEY,
    expires_at REAL NOT NULL
) STRICT;

CREATE INDEX nonces_expire ON nonces (expires_at);

-- Commands that the collector had for a node, and what the node's agent answered.
CREATE TABLE commands (
    command_id  TEXT PRIMARY KEY,
    node_id     TEXT NOT NULL,
    cluster_id  TEXT NOT NULL,
    offered_at  REAL NOT NULL,
    result      TEXT,                          -- NULL until it is answered
    output      TEXT NOT NULL DEFAULT '',
    answered_at REAL
) STRICT;

CREATE INDEX commands_cluster ON commands (cluster_id) WHERE result IS NOT NULL;
CREATE INDEX commands_offered ON commands (offered_at);
