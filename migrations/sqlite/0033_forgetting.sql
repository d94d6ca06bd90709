-- What is needed to tell what may be forgotten.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

-- When the value was set, in unix milliseconds; 0 for those of before this was noted.
ALTER TABLE secret_version ADD COLUMN made_at INTEGER NOT NULL DEFAULT 0;

CREATE INDEX pull_request_closed ON pull_request (said_at) WHERE is_closed = 1;
