-- Trouble may be of a runner, which belongs to no repository.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE alert ALTER COLUMN repository_id DROP NOT NULL;

ALTER TABLE runner ADD COLUMN silent_at BIGINT;       -- since when it is told of as silent
ALTER TABLE runner ADD COLUMN disk_full_at BIGINT;    -- since when its disk is told of as nearly full
