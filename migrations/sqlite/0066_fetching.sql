-- Which credentials of a forge repositories are fetched with as well.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.
ALTER TABLE forge_credential ADD COLUMN fetches INTEGER NOT NULL DEFAULT 0;  -- 0 or 1
