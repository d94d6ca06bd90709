-- What keeps a runner that is there from taking work.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE runner ADD COLUMN hindrance TEXT;   -- in words, such as that its disk is full
