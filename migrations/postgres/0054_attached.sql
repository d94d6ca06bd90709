-- What is attached to an image in its registry: its provenance, its signature.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

-- By kind, the digest of each, as JSON.
ALTER TABLE artifact ADD COLUMN attached TEXT NOT NULL DEFAULT '{}';
