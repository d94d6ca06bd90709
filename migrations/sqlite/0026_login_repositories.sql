-- For which repositories a login to a registry is.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE registry_credential ADD COLUMN repositories TEXT;    -- JSON: patterns of names; null for every repository
