-- Agents of compute nodes: who may report, the commands to them, and why a node is not sold.

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
