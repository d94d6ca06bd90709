-- What a job waits for that a runner has already taken.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE job ADD COLUMN hindrance TEXT;   -- in words, such as that its runner's engine is away
