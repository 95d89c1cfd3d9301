-- name: save_accounted
INSERT INTO accounted (job_id, cluster_id, status, total, ended_at, booked_at, next_at, value)
VALUES (:job_id, :cluster_id, :status, :total, :ended_at, :booked_at, :next_at, :value)
ON CONFLICT (job_id) DO UPDATE SET status = excluded.status, total = excluded.total, ended_at = excluded.ended_at,
    booked_at = excluded.booked_at, next_at = excluded.next_at, value = excluded.value;

-- name: accounted_jobs
SELECT value, booked_at, next_at FROM accounted WHERE job_id IN (SELECT value FROM json_each(:job_ids));

-- name: ended_unaccounted
SELECT job_id, closed_at FROM jobs INDEXED BY jobs_closed
WHERE closed_at IS NOT NULL AND cluster_id = :cluster_id AND closed_at >= :since
    AND NOT EXISTS (SELECT 1 FROM accounted WHERE job_id = jobs.job_id)
ORDER BY closed_at LIMIT :count;

-- name: open_ids_everywhere
SELECT job_id FROM jobs INDEXED BY jobs_open WHERE closed_at IS NULL AND (:ending = 0
    OR state IN ('completed', 'failed', 'cancelled', 'timeout') OR reported IN ('completed', 'failed', 'cancelled', 'timeout'))
ORDER BY rowid;

-- name: accounted_due
SELECT job_id FROM accounted WHERE next_at <= :now ORDER BY next_at LIMIT :count;

-- name: paid_between
SELECT value, booked_at, next_at FROM accounted WHERE booked_at >= :start AND booked_at < :end ORDER BY booked_at, rowid;

-- name: unpaid_at
SELECT value, booked_at, next_at FROM accounted
WHERE ended_at < :end AND (next_at IS NOT NULL OR booked_at >= :end) ORDER BY ended_at, rowid;

-- name: unpaid_sums
SELECT cluster_id, status = 'disputed' AS disputed, count(*) AS jobs, sum(total) AS total FROM accounted INDEXED BY accounted_unpaid
WHERE next_at IS NOT NULL AND total > 0 GROUP BY 1, 2;

-- name: add_note
INSERT INTO notes (address, at, value) VALUES (:address, :at, :value);

-- name: last_note
SELECT value FROM notes WHERE address = :address AND at < :before ORDER BY at DESC, id DESC LIMIT 1;

-- name: notes_between
SELECT value FROM notes WHERE at >= :start AND at < :end ORDER BY at, id;

-- name: first_note
SELECT min(at) AS at FROM notes;

-- name: newest_note
SELECT max(at) AS at FROM notes;

-- name: noted_addresses
SELECT DISTINCT address FROM notes ORDER BY address;

-- name: txs_of_sequences
SELECT sequence, tx_bytes, code, gas_used FROM txs WHERE signer = :signer AND sequence >= :first AND sequence < :end AND height > 0;

-- name: add_closing
INSERT INTO closings (month, closed_at, hash, document) VALUES (:month, :closed_at, :hash, :document);

-- name: closing_of
SELECT month, closed_at, hash, document FROM closings WHERE month = :month;

-- name: last_closing
SELECT month, closed_at, hash, document FROM closings ORDER BY month DESC LIMIT 1;
