-- Windows in which a cluster runs no jobs.
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
