-- Customers can have a Unix user each at the site: which user served whom, and from when until when.

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

CREATE INDEX jobs_user ON jobs (cluster_id, CASE WHEN json_valid(value) THEN json_extract(value, '$.user') END, closed_at)
    WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.user') END <> '';
