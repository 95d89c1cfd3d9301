-- What passes through the ledger for ever (heartbeats, and the transactions that hold them) can be let go of without reading all of it.

CREATE INDEX jobs_closed ON jobs (cluster_id, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX messages_spent ON messages (created_at) WHERE kind <> 'report' AND status <> 'waiting';
CREATE INDEX txs_lately ON txs (signer, created_at, status, height, fee);
CREATE INDEX txs_bulky ON txs (created_at) WHERE tx_bytes <> x'';
