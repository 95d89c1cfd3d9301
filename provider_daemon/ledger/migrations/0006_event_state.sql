-- The job state of a timeline entry has a column: metrics read it there, and no longer in the text, which older versions began with it.

ALTER TABLE events ADD COLUMN state TEXT NOT NULL DEFAULT '';

UPDATE events SET state = substr(detail, 1, instr(detail || ' ', ' ') - 1) WHERE what IN ('state', 'report_stored', 'report_confirmed');
