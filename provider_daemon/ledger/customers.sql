-- name: count_waiting_jobs
SELECT count(*) AS jobs FROM jobs INDEXED BY jobs_waiting
WHERE closed_at IS NULL AND slurm_id = '' AND state = 'pending' AND cluster_id = :cluster_id
    AND CASE WHEN json_valid(value) THEN json_extract(value, '$.spec.customer') END = :customer;

-- name: count_admissions
SELECT coalesce(sum(at > :minute AND refused = 0), 0) AS taken, coalesce(sum(at > :minute AND refused = 1), 0) AS refused,
    coalesce(sum(core_seconds), 0) AS core_seconds
FROM admissions INDEXED BY admissions_customer WHERE cluster_id = :cluster_id AND customer = :customer AND at > :day;

-- name: add_admission
INSERT INTO admissions (job_id, cluster_id, customer, at, refused, core_seconds)
VALUES (:job_id, :cluster_id, :customer, :at, :refused, :core_seconds)
ON CONFLICT (job_id) DO UPDATE SET cluster_id = excluded.cluster_id, customer = excluded.customer, at = excluded.at,
    refused = excluded.refused, core_seconds = excluded.core_seconds;

-- name: set_core_seconds
UPDATE admissions SET core_seconds = :core_seconds WHERE job_id = :job_id;

-- name: prune_admissions
DELETE FROM admissions WHERE at <= :before;

-- name: postponed_around
SELECT first, last, cluster_id, customer, reason, since FROM postponed WHERE first <= :number ORDER BY first DESC LIMIT 1;

-- name: add_postponed
INSERT INTO postponed (first, last, cluster_id, customer, reason, since)
VALUES (:first, :last, :cluster_id, :customer, :reason, :since);

-- name: set_postponed_last
UPDATE postponed SET last = :last WHERE first = :first;

-- name: delete_postponed
DELETE FROM postponed WHERE first = :first;

-- name: delete_postponed_from
DELETE FROM postponed WHERE first >= :number;

-- name: oldest_postponed
SELECT first, last FROM postponed INDEXED BY postponed_customer
WHERE customer = :customer AND cluster_id = :cluster_id ORDER BY first LIMIT :count;

-- name: set_postponed_reason
UPDATE postponed SET reason = :reason WHERE customer = :customer AND cluster_id = :cluster_id AND reason <> :reason;

-- name: held_customers
SELECT DISTINCT customer, cluster_id FROM postponed INDEXED BY postponed_customer
WHERE (customer, cluster_id) > (:customer, :cluster_id) AND customer <> '' ORDER BY customer, cluster_id LIMIT :count;

-- name: held_sums
SELECT cluster_id, customer, min(reason) AS reason, sum(last - first + 1) AS jobs, min(since) AS since
FROM postponed GROUP BY cluster_id, customer ORDER BY jobs DESC LIMIT :count;

-- name: postponed_by_reason
SELECT reason, sum(last - first + 1) AS jobs, count(DISTINCT cluster_id || ' ' || customer) AS customers, min(since) AS since
FROM postponed GROUP BY reason;

-- name: any_held
SELECT first FROM postponed WHERE cluster_id = :cluster_id LIMIT 1;

-- name: customer_rules
SELECT customer, access, reason, limits, by, at FROM customer_rules ORDER BY customer;

-- name: customer_rule
SELECT customer, access, reason, limits, by, at FROM customer_rules WHERE customer = :customer;

-- name: set_customer_rule
INSERT INTO customer_rules (customer, access, reason, limits, by, at) VALUES (:customer, :access, :reason, :limits, :by, :at)
ON CONFLICT (customer) DO UPDATE SET access = excluded.access, reason = excluded.reason, limits = excluded.limits,
    by = excluded.by, at = excluded.at;

-- name: delete_customer_rule
DELETE FROM customer_rules WHERE customer = :customer;

-- name: customers_jobs
SELECT CASE WHEN json_valid(value) THEN json_extract(value, '$.spec.customer') END AS customer,
    count(*) AS jobs, sum(closed_at IS NULL) AS open_jobs
FROM jobs GROUP BY 1 HAVING customer IS NOT NULL ORDER BY open_jobs DESC, jobs DESC, 1 LIMIT :count;
