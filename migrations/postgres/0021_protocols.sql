-- What a runner understands, and what a job asks of the one that takes it.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE runner ADD COLUMN protocol BIGINT NOT NULL DEFAULT 0;   -- the version that its present life speaks
ALTER TABLE job ADD COLUMN protocol BIGINT NOT NULL DEFAULT 0;      -- the oldest version that can be told of it
