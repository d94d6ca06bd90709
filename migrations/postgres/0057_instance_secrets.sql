-- Secrets of the whole instance, and for which builds secrets are.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE instance_secret (
    name TEXT PRIMARY KEY NOT NULL,
    version BIGINT NOT NULL,              -- how often it was set
    value BYTEA NOT NULL,                   -- sealed
    repositories TEXT,                     -- JSON: patterns of names; null for every one
    given_to TEXT NOT NULL,                -- JSON: the events, branches and tags whose builds get it
    updated_at BIGINT NOT NULL
);

-- JSON, as the instance's have it.
ALTER TABLE secret ADD COLUMN given_to TEXT NOT NULL DEFAULT '{}';
