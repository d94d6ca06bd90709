-- The archive: finished logs may be kept in an object store, where the database knows the place of each chunk.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

-- step.log_state: loose compact leaving archived removed
ALTER TABLE log_chunk ADD COLUMN object_at INTEGER;     -- where it begins in the step's object; its data is empty then
ALTER TABLE log_chunk ADD COLUMN object_bytes INTEGER;
CREATE INDEX step_log_to_archive ON step (finished_at) WHERE log_state IN ('compact', 'leaving');
