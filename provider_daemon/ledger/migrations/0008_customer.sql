-- The gateway lists the jobs of one customer, and must not read every job for it.

CREATE INDEX jobs_customer ON jobs (CASE WHEN json_valid(value) THEN json_extract(value, '$.spec.customer') END);
