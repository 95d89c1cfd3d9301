-- name: get_meta
SELECT value FROM meta WHERE key = :key;

-- name: set_meta
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: save_job
INSERT INTO jobs (job_id, cluster_id, name, slurm_id, state, reported, parked, closed_at, value)
VALUES (:job_id, :cluster_id, :name, :slurm_id, :state, :reported, :parked, :closed_at, :value)
ON CONFLICT (job_id) DO UPDATE SET name = excluded.name, slurm_id = excluded.slurm_id, state = excluded.state, reported = excluded.reported,
    parked = excluded.parked, closed_at = excluded.closed_at, value = excluded.value;

-- name: get_job
SELECT job_id, value FROM jobs WHERE job_id = :job_id;

-- name: witnesses
SELECT job_id, value FROM jobs WHERE rowid IN (SELECT rowid FROM jobs ORDER BY rowid LIMIT :count)
    OR rowid IN (SELECT rowid FROM jobs ORDER BY rowid DESC LIMIT :count) ORDER BY rowid;

-- name: on_hold
SELECT job_id FROM jobs INDEXED BY jobs_hold
WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END IS NOT NULL AND CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END <> 'too_expensive'
ORDER BY rowid;

-- name: drop_job
INSERT INTO dropped_jobs (job_id, kept_as, reason, dropped_at, value)
SELECT job_id, job_id || '@' || (SELECT coalesce(max(id), 0) + 1 FROM dropped_jobs), :reason, :at, value FROM jobs WHERE job_id = :job_id;

-- name: delete_job
DELETE FROM jobs WHERE job_id = :job_id;

-- name: dropped_as
SELECT kept_as FROM dropped_jobs WHERE job_id = :job_id ORDER BY id DESC LIMIT 1;

-- name: dropped_job
SELECT value FROM dropped_jobs WHERE kept_as = :kept_as;

-- name: rename_events
UPDATE events SET job_id = :kept_as WHERE job_id = :job_id;

-- name: rename_messages
UPDATE messages SET subject = :kept_as WHERE subject = :job_id AND kind = 'report';

-- name: rename_snapshots
UPDATE snapshots SET job_id = :kept_as WHERE job_id = :job_id;

-- name: open_jobs
SELECT job_id, value FROM jobs WHERE cluster_id = :cluster_id AND closed_at IS NULL ORDER BY rowid;

-- name: invalid_slurm_ids
SELECT job_id, value FROM jobs INDEXED BY jobs_open
WHERE closed_at IS NULL AND cluster_id = :cluster_id AND slurm_id <> ''
    AND (slurm_id GLOB '*[^0-9]*' OR slurm_id GLOB '0*' OR length(slurm_id) > 10 OR CAST(slurm_id AS INTEGER) > :largest)
ORDER BY rowid;

-- name: open_ids
SELECT job_id FROM jobs WHERE cluster_id = :cluster_id AND closed_at IS NULL ORDER BY rowid;

-- name: overdue
SELECT job_id FROM jobs INDEXED BY jobs_open
WHERE closed_at IS NULL AND reported = 'running' AND json_extract(value, '$.chain_started_at') > 0
    AND json_extract(value, '$.chain_started_at') + json_extract(value, '$.spec.max_runtime_seconds') < :chain_time;

-- name: quarantine
INSERT INTO quarantine (job_id, why, at) VALUES (:job_id, :why, :at) ON CONFLICT (job_id) DO UPDATE SET why = excluded.why;

-- name: release_quarantine
DELETE FROM quarantine WHERE job_id = :job_id;

-- name: quarantined
SELECT job_id FROM quarantine ORDER BY job_id;

-- name: add_message
INSERT INTO messages (signer, kind, subject, state, body, created_at, status, note)
VALUES (:signer, :kind, :subject, :state, :body, :created_at, :status, :note);

-- name: replace_waiting
DELETE FROM messages WHERE signer = :signer AND kind = :kind AND subject = :subject AND status = 'waiting' AND tx_id IS NULL;

-- name: waiting_messages
SELECT id, kind, subject, state, body, created_at FROM messages INDEXED BY messages_waiting
WHERE signer = :signer AND status = 'waiting' AND tx_id IS NULL ORDER BY kind DESC, id;

-- name: last_heartbeats
-- The unary + keeps SQLite from replacing the column by the constant everywhere, which would hide the index.
SELECT id, kind, subject, state, body, created_at FROM (
    SELECT id, kind, subject, state, body, created_at FROM messages INDEXED BY messages_spent
    WHERE +kind = 'node' AND kind IN ('node', 'cluster') AND +status = 'confirmed' AND status <> 'waiting'
      AND created_at >= :since AND signer = :signer
    UNION ALL
    SELECT id, kind, subject, state, body, created_at FROM messages INDEXED BY messages_waiting
    WHERE signer = :signer AND status = 'waiting' AND kind = 'node' AND tx_id IS NOT NULL
) ORDER BY id;

-- name: waiting_message
SELECT id, kind, subject, state, body, created_at FROM messages WHERE id = :id AND status = 'waiting' AND tx_id IS NULL;

-- name: count_waiting
SELECT signer, kind, count(*) AS messages, min(created_at) AS oldest FROM messages WHERE status = 'waiting' GROUP BY 1, 2;

-- name: messages_of_tx
SELECT id, kind, subject, state, body, created_at FROM messages WHERE tx_id = :tx_id ORDER BY kind DESC, id;

-- name: attach_message
UPDATE messages SET tx_id = :tx_id WHERE id = :id;

-- name: confirm_messages
UPDATE messages SET status = 'confirmed' WHERE tx_id = :tx_id;

-- name: release_messages
UPDATE messages SET tx_id = NULL WHERE tx_id = :tx_id AND status = 'waiting';

-- name: drop_message
UPDATE messages SET status = 'dropped', tx_id = NULL, note = :note WHERE id = :id;

-- name: drop_reports
UPDATE messages SET status = 'dropped', tx_id = NULL, note = :note
WHERE kind = 'report' AND subject = :subject AND status = 'waiting';

-- name: drop_unsent_reports
UPDATE messages SET status = 'dropped', note = :note
WHERE kind = 'report' AND subject = :subject AND status = 'waiting' AND tx_id IS NULL;

-- name: last_sent
SELECT state FROM messages WHERE kind = 'report' AND subject = :subject AND status = 'waiting' AND tx_id IS NOT NULL ORDER BY id DESC LIMIT 1;

-- name: last_report
SELECT id FROM messages WHERE kind = 'report' AND subject = :subject AND status <> 'dropped'
    AND state IN ('completed', 'failed', 'cancelled', 'timeout') LIMIT 1;

-- name: keep_last_report
UPDATE messages SET status = 'kept', tx_id = NULL, note = :note
WHERE kind = 'report' AND subject = :subject AND status = 'waiting' AND state IN ('completed', 'failed', 'cancelled', 'timeout');

-- name: messages_of_subject
SELECT m.kind, m.state, m.body, m.created_at, m.status, m.note, coalesce(t.tx_hash, '') AS tx_hash,
    coalesce(t.sequence, 0) AS sequence, coalesce(t.timeout_height, 0) AS timeout_height, coalesce(t.fee, 0) AS fee,
    coalesce(t.created_at, 0.0) AS tx_created_at, coalesce(t.height, 0) AS height, coalesce(t.status, '') AS tx_status
FROM messages m LEFT JOIN txs t ON t.id = m.tx_id WHERE m.subject = :subject ORDER BY m.id;

-- name: prune_messages
DELETE FROM messages WHERE kind IN ('node', 'cluster') AND status <> 'waiting' AND created_at < :before;

-- name: add_operator_message
INSERT INTO messages (signer, kind, subject, state, body, created_at, status, note)
VALUES (:signer, 'operator', :subject, '', :body, :created_at, 'waiting', '') RETURNING id;

-- name: message_fate
SELECT m.status, m.note, coalesce(t.tx_hash, '') AS tx_hash, coalesce(t.tx_bytes, x'') AS tx_bytes,
    coalesce(t.height, 0) AS height, coalesce(t.fee, 0) AS fee,
    (SELECT count(*) FROM messages AS o WHERE o.tx_id = m.tx_id AND (o.kind > m.kind OR (o.kind = m.kind AND o.id < m.id))) AS position
FROM messages m LEFT JOIN txs t ON t.id = m.tx_id WHERE m.id = :id AND m.kind = 'operator';

-- name: withdraw_message
UPDATE messages SET status = 'dropped', note = :note
WHERE id = :id AND kind = 'operator' AND status = 'waiting' AND tx_id IS NULL;

-- name: add_tx
INSERT INTO txs (signer, tx_hash, tx_bytes, sequence, timeout_height, fee, created_at, status)
VALUES (:signer, :tx_hash, :tx_bytes, :sequence, :timeout_height, :fee, :created_at, 'open')
ON CONFLICT (tx_hash) DO UPDATE SET status = 'open', height = 0, code = 0, note = '', tx_bytes = excluded.tx_bytes;

-- name: open_tx
SELECT id, signer, tx_hash, tx_bytes, sequence, timeout_height, fee, created_at FROM txs
WHERE signer = :signer AND status = 'open';

-- name: close_tx
UPDATE txs SET status = :status, height = :height, code = :code, gas_used = :gas_used, note = :note WHERE id = :id;

-- name: prune_txs
DELETE FROM txs WHERE id IN (
    SELECT id FROM txs WHERE tx_bytes <> x'' AND created_at < :before AND status <> 'open'
        AND NOT EXISTS (SELECT 1 FROM messages WHERE tx_id = txs.id)
        AND id NOT IN (SELECT max(id) FROM txs WHERE status = 'included' GROUP BY signer)
    LIMIT :count
);

-- name: empty_txs
UPDATE txs SET tx_bytes = x'' WHERE id IN (
    SELECT id FROM txs WHERE tx_bytes <> x'' AND created_at < :before AND status <> 'open'
        AND EXISTS (SELECT 1 FROM messages WHERE tx_id = txs.id)
        AND id NOT IN (SELECT max(id) FROM txs WHERE status = 'included' GROUP BY signer)
    LIMIT :count
);

-- name: last_txs
SELECT tx_hash, fee, created_at, status, height, code, gas_used, note,
    (SELECT count(*) FROM messages WHERE tx_id = txs.id) AS messages
FROM txs ORDER BY id DESC LIMIT :count;

-- name: add_event
INSERT INTO events (at, job_id, what, detail, state) VALUES (:at, :job_id, :what, :detail, :state);

-- name: events_of
SELECT at, what, detail, state FROM events WHERE job_id = :job_id ORDER BY id;

-- name: add_snapshot
INSERT INTO snapshots (job_id, sequence, type, taken_at, document, content_hash, previous, signature)
VALUES (:job_id, :sequence, :type, :taken_at, :document, :content_hash, :previous, :signature);

-- name: newest_snapshot
SELECT job_id, sequence, type, taken_at, document, content_hash, previous, signature FROM snapshots
WHERE job_id = :job_id ORDER BY sequence DESC LIMIT 1;

-- name: snapshots_of
SELECT job_id, sequence, type, taken_at, document, content_hash, previous, signature FROM snapshots
WHERE job_id = :job_id ORDER BY sequence;

-- name: last_snapshot_of_type
SELECT job_id, sequence, type, taken_at, document, content_hash, previous, signature FROM snapshots
WHERE job_id = :job_id AND type = :type ORDER BY sequence DESC LIMIT 1;

-- name: prune_interim_snapshots
DELETE FROM snapshots WHERE type = 'interim' AND taken_at < :before
    AND sequence < (SELECT max(sequence) FROM snapshots AS kept WHERE kept.job_id = snapshots.job_id);

-- name: jobs_to_compare
SELECT job_id, value FROM jobs WHERE cluster_id = :cluster_id AND (closed_at IS NULL OR closed_at >= :since) ORDER BY rowid;

-- name: job_by_name
SELECT value FROM jobs WHERE name = :name;

-- name: txs_since
SELECT sequence, tx_hash, status = 'included' OR height > 0 AS used FROM txs WHERE signer = :signer AND created_at >= :since ORDER BY id;

-- name: newest_tx_of_each_signer
SELECT tx_bytes FROM txs WHERE id IN (SELECT max(id) FROM txs WHERE status = 'included' GROUP BY signer);

-- name: next_sequence
SELECT max(sequence) + 1 AS sequence FROM (
    SELECT sequence FROM txs WHERE signer = :signer AND status = 'included' ORDER BY id DESC LIMIT 50
);

-- name: given_up
SELECT id, signer, tx_hash, tx_bytes, sequence, timeout_height, fee, created_at FROM txs
WHERE id > (SELECT coalesce(max(id), 0) FROM txs) - 1000
    AND signer = :signer AND status IN ('failed', 'expired') AND height = 0 AND sequence >= :sequence ORDER BY id DESC;

-- name: newest_included
SELECT height, created_at FROM txs WHERE signer = :signer AND status = 'included' ORDER BY id DESC LIMIT 1;

-- name: paid_lately
SELECT fee, gas_used FROM txs WHERE signer = :signer AND status = 'included' ORDER BY id DESC LIMIT :count;

-- name: fees_bound
SELECT coalesce(sum(fee), 0) AS fees FROM txs INDEXED BY txs_lately
WHERE signer = :signer AND created_at >= :since AND (status IN ('included', 'open') OR (height > 0 AND code NOT IN (30, 32)));

-- name: record_size
SELECT length(value) AS bytes FROM jobs WHERE job_id = :job_id;

-- name: oldest_report
SELECT min(created_at) AS oldest, count(*) AS reports FROM messages INDEXED BY messages_waiting
WHERE signer = :signer AND kind = 'report' AND status = 'waiting';

-- name: doubtful_since
SELECT max(CAST(value AS REAL)) AS since FROM meta WHERE key LIKE 'doubt:%';

-- name: used_by_ours
SELECT id FROM txs WHERE id > (SELECT coalesce(max(id), 0) FROM txs) - 1000
    AND signer = :signer AND sequence = :sequence AND height > 0
    AND (status = 'included' OR NOT EXISTS (
        SELECT 1 FROM txs AS other WHERE other.id > (SELECT coalesce(max(id), 0) FROM txs) - 1000
            AND other.signer = :signer AND other.sequence = :sequence AND other.height = 0 AND other.status IN ('failed', 'expired')
    ));

-- name: known_tx
SELECT id FROM txs WHERE tx_hash = :tx_hash;

-- name: open_leases
SELECT id, cluster_id, user, customer, leased_at, confirmed_at, released_at, free_at, ended_at, held_by, forced FROM leases
WHERE cluster_id = :cluster_id AND ended_at IS NULL ORDER BY user;

-- name: leases_of_user
SELECT id, cluster_id, user, customer, leased_at, confirmed_at, released_at, free_at, ended_at, held_by, forced FROM leases
WHERE cluster_id = :cluster_id AND user = :user ORDER BY id DESC LIMIT :count;

-- name: add_lease
INSERT INTO leases (cluster_id, user, customer, leased_at, confirmed_at, released_at, free_at, ended_at, held_by, forced)
VALUES (:cluster_id, :user, :customer, :leased_at, :confirmed_at, :released_at, :free_at, :ended_at, :held_by, :forced);

-- name: change_lease
UPDATE leases SET leased_at = :leased_at, confirmed_at = :confirmed_at, released_at = :released_at, free_at = :free_at, ended_at = :ended_at, forced = :forced
WHERE id = :id;

-- name: open_customers
SELECT DISTINCT json_extract(value, '$.spec.customer') AS customer FROM jobs INDEXED BY jobs_open
WHERE cluster_id = :cluster_id AND closed_at IS NULL AND json_valid(value);

-- name: last_closed
SELECT max(closed_at) AS closed_at FROM jobs INDEXED BY jobs_user WHERE cluster_id = :cluster_id
    AND CASE WHEN json_valid(value) THEN json_extract(value, '$.user') END = :user
    AND CASE WHEN json_valid(value) THEN json_extract(value, '$.user') END <> '' AND json_extract(value, '$.spec.customer') = :customer;

-- name: customer_of
SELECT customer FROM leases WHERE cluster_id = :cluster_id AND user = :user AND ended_at IS NULL AND held_by = '';

-- name: leased_users
SELECT user FROM leases WHERE cluster_id = :cluster_id AND ended_at IS NULL AND held_by = '' ORDER BY user;

-- name: windows
SELECT id, source, starts_at, ends_at, nodes_left, reason FROM maintenance WHERE cluster_id = :cluster_id AND ends_at > :now ORDER BY starts_at, id;

-- name: add_window
INSERT INTO maintenance (cluster_id, source, starts_at, ends_at, nodes_left, reason)
VALUES (:cluster_id, :source, :starts_at, :ends_at, :nodes_left, :reason);

-- name: remove_window
DELETE FROM maintenance WHERE cluster_id = :cluster_id AND id = :id AND source = :source;

-- name: remove_windows
DELETE FROM maintenance WHERE cluster_id = :cluster_id AND source = :source;

-- name: started_lately
SELECT json_extract(value, '$.spec.queue') AS queue,
    json_extract(value, '$.chain_started_at') - json_extract(value, '$.spec.created_ns') / 1000000000 AS waited
FROM jobs INDEXED BY jobs_closed WHERE cluster_id = :cluster_id AND closed_at > :since AND json_valid(value)
    AND json_extract(value, '$.chain_started_at') > 0 ORDER BY closed_at DESC LIMIT :count;
