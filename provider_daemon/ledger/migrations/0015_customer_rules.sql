-- What operators decided about customers while the daemon ran, beside [customers] of the configuration.

CREATE TABLE customer_rules (
    customer TEXT PRIMARY KEY,           -- chain address
    access   TEXT NOT NULL CHECK (access IN ('', 'allowed', 'blocked')),
    reason   TEXT NOT NULL,              -- of a block; public on chain
    limits   TEXT NOT NULL,              -- JSON: limit -> number, those that differ from the configuration's
    by       TEXT NOT NULL,              -- the operator
    at       REAL NOT NULL
) STRICT;
