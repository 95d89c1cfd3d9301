-- Two stored words have plain names: the hold reason too_expensive and the timeline entry sbatch_unknown.

UPDATE events SET what = 'sbatch_unknown' WHERE what = 'sbatch_in_doubt';

UPDATE jobs SET value = json_set(value, '$.hold', 'too_expensive')
    WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END = 'too_dear';

UPDATE dropped_jobs SET value = json_set(value, '$.hold', 'too_expensive')
    WHERE CASE WHEN json_valid(value) THEN json_extract(value, '$.hold') END = 'too_dear';
