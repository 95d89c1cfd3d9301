-- Operators' messages go through the outbox too. They stay as a record, as reports do.

DROP INDEX messages_waiting;
DROP INDEX messages_subject;
DROP INDEX messages_tx;
DROP INDEX messages_spent;
ALTER TABLE messages RENAME TO messages_before;

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

-- The ids of deleted messages are not given to others.
INSERT INTO sqlite_sequence (name, seq) SELECT 'messages', seq FROM sqlite_sequence WHERE name = 'messages_before';
INSERT INTO messages SELECT * FROM messages_before;
DROP TABLE messages_before;

CREATE INDEX messages_waiting ON messages (signer, kind DESC, id) WHERE status = 'waiting';
CREATE INDEX messages_subject ON messages (subject);
CREATE INDEX messages_tx ON messages (tx_id);
CREATE INDEX messages_spent ON messages (created_at) WHERE kind IN ('node', 'cluster') AND status <> 'waiting';
