-- A parked job has a typed reason beside the text that people read. Here alone is the text of older versions recognised.

CREATE TEMP TABLE park_texts (reason TEXT, pattern TEXT);
INSERT INTO park_texts VALUES
    ('unknown_state', 'unknown SLURM state *'),
    ('invalid_slurm_id', 'invalid SLURM job id in the ledger*'),
    ('several', 'several SLURM jobs are named *'),
    ('no_trace', '[0-9]* submissions left no trace in SLURM*'),
    ('missing', '* is in neither squeue nor sacct*'),
    ('never_closed', '* has left squeue and sacct never closes it*'),
    ('no_gpu_record', '* used GPUs that its accounting record does not name*'),
    ('implausible_record', '* has an implausible accounting record*'),
    ('report_refused', 'the chain refuses its report*'),
    ('report_too_large', 'one report would need *');

UPDATE jobs SET value = json_set(json_remove(value, '$.park_reason'), '$.parked', json(
    CASE coalesce(json_extract(value, '$.parked'), '') WHEN '' THEN 'null' ELSE json_object(
        'reason', coalesce((SELECT reason FROM park_texts WHERE json_extract(jobs.value, '$.parked') GLOB pattern), 'other'),
        'detail', json_extract(value, '$.parked')
    ) END
)) WHERE json_valid(value);

UPDATE dropped_jobs SET value = json_set(json_remove(value, '$.park_reason'), '$.parked', json(
    CASE coalesce(json_extract(value, '$.parked'), '') WHEN '' THEN 'null' ELSE json_object(
        'reason', coalesce((SELECT reason FROM park_texts WHERE json_extract(dropped_jobs.value, '$.parked') GLOB pattern), 'other'),
        'detail', json_extract(value, '$.parked')
    ) END
)) WHERE json_valid(value);

UPDATE jobs SET parked = CASE WHEN json_valid(value) THEN coalesce(json_extract(value, '$.parked.reason'), '') ELSE 'other' END
    WHERE parked <> '';

DROP TABLE park_texts;
