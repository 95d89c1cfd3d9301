-- name: save_dispute
INSERT INTO disputes (dispute_id, job_id, cluster_id, open, opened_at, value)
VALUES (:dispute_id, :job_id, :cluster_id, :open, :opened_at, :value)
ON CONFLICT (dispute_id) DO UPDATE SET open = excluded.open, value = excluded.value;

-- name: answer_dispute
UPDATE disputes SET answered_at = :answered_at, answer_hash = :answer_hash, answer = :answer WHERE dispute_id = :dispute_id;

-- name: get_dispute
SELECT dispute_id, cluster_id, value, answered_at, answer_hash FROM disputes WHERE dispute_id = :dispute_id;

-- name: dispute_answer
SELECT answer FROM disputes WHERE dispute_id = :dispute_id AND answer IS NOT NULL;

-- name: disputes_of_job
SELECT dispute_id, cluster_id, value, answered_at, answer_hash FROM disputes WHERE job_id = :job_id ORDER BY opened_at, rowid;

-- name: open_disputes
SELECT dispute_id, cluster_id, value, answered_at, answer_hash FROM disputes INDEXED BY disputes_open WHERE open = 1 ORDER BY opened_at, rowid;

-- name: newest_disputes
SELECT dispute_id, cluster_id, value, answered_at, answer_hash FROM disputes ORDER BY opened_at DESC, rowid DESC LIMIT :count;

-- name: count_open_disputes
SELECT cluster_id, answered_at IS NOT NULL AS answered, count(*) AS disputes FROM disputes INDEXED BY disputes_open WHERE open = 1 GROUP BY 1, 2;

-- name: rename_disputes
UPDATE disputes SET job_id = :kept_as WHERE job_id = :job_id;
