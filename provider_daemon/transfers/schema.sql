-- The data mover's database: what is staged, what a job's results are, and when they are deleted.
-- The mover alone writes it; the daemon and the gateway read it. Times are seconds since the epoch.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
    name             TEXT PRIMARY KEY,            -- the SLURM job name
    cluster_id       TEXT NOT NULL,
    job_id           TEXT NOT NULL,
    customer         TEXT NOT NULL,
    directory        TEXT NOT NULL DEFAULT '',    -- of the job at the site, once the ledger has it
    seen_at          REAL NOT NULL,               -- when the mover first saw the job
    inputs           TEXT NOT NULL CHECK (inputs IN ('waiting', 'ready', 'failed')),
    detail           TEXT NOT NULL DEFAULT '',    -- why the inputs failed, or what they wait for
    staging          TEXT NOT NULL DEFAULT '',    -- the directory for the inputs, from before it is created
    unstaged_at      REAL,                        -- when that directory was deleted
    bytes_in         INTEGER NOT NULL DEFAULT 0,
    bytes_out        INTEGER NOT NULL DEFAULT 0,
    over_quota       TEXT NOT NULL DEFAULT '',    -- which quota the job exceeded
    storage_bytes    INTEGER NOT NULL DEFAULT 0,  -- of the last sample, as the three below
    storage_inodes   INTEGER NOT NULL DEFAULT 0,
    sampled_at       REAL,
    byte_seconds     INTEGER NOT NULL DEFAULT 0,  -- the integral of storage_bytes until sampled_at
    settled          INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)),
    results_root     TEXT,                        -- NULL until the manifest is whole
    results_files    INTEGER NOT NULL DEFAULT 0,
    results_bytes    INTEGER NOT NULL DEFAULT 0,
    results_detail   TEXT NOT NULL DEFAULT '',    -- why there is no manifest, or what it leaves out
    delivery         TEXT NOT NULL DEFAULT 'none' CHECK (delivery IN ('none', 'waiting', 'done', 'failed')),
    delivery_detail  TEXT NOT NULL DEFAULT '',    -- why it failed, or what it waits for
    closed_at        REAL,                        -- as in the ledger
    expires_at       REAL,                        -- when the results may be deleted
    image            TEXT NOT NULL DEFAULT '',    -- the digest of the image, once it is in the cache
    image_refusal    TEXT NOT NULL DEFAULT '',    -- why it never will be
    deleted_at       REAL                         -- when they were; also of a job that never had a directory
) STRICT;

CREATE INDEX jobs_unfinished ON jobs (cluster_id)
    WHERE settled = 0 OR closed_at IS NULL OR (staging <> '' AND unstaged_at IS NULL);
CREATE INDEX jobs_expire ON jobs (cluster_id, expires_at) WHERE deleted_at IS NULL AND expires_at IS NOT NULL;

-- The lines of the manifests. BLOBs sort by their bytes, as the lines of a manifest do.
CREATE TABLE manifest (
    name   TEXT NOT NULL REFERENCES jobs (name),
    path   BLOB NOT NULL,
    size   INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (name, path)
) STRICT, WITHOUT ROWID;

-- Whole and verified content in the cache of inputs. A row is written after its file, and deleted before it.
CREATE TABLE cached (
    cluster_id   TEXT NOT NULL,
    customer     TEXT NOT NULL,
    object       TEXT NOT NULL,                   -- the file's name in the customer's directory of the cache
    sha256       TEXT NOT NULL,                   -- of the file's content
    size         INTEGER NOT NULL,
    mtime_ns     INTEGER NOT NULL,                -- these three as after the mover's last link to the file
    ctime_ns     INTEGER NOT NULL,
    inode        INTEGER NOT NULL,
    last_used_at REAL NOT NULL,
    PRIMARY KEY (cluster_id, customer, object)
) STRICT;

CREATE INDEX cached_use ON cached (cluster_id, last_used_at);

-- Whole images in the cache of a site. A row is written after the image, and deleted before it.
CREATE TABLE images (
    cluster_id   TEXT NOT NULL,
    digest       TEXT NOT NULL,
    size         INTEGER NOT NULL,
    last_used_at REAL NOT NULL,
    PRIMARY KEY (cluster_id, digest)
) STRICT;

CREATE INDEX jobs_image ON jobs (cluster_id, image) WHERE image <> '' AND closed_at IS NULL;
