-- Secrets, what environments ask for, and heads that asked for no build.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE secret (
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    environment TEXT NOT NULL,             -- the name of the one environment that it is for; empty for the whole repository
    name TEXT NOT NULL,
    value BLOB NOT NULL,                   -- sealed
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, environment, name)
) STRICT;

-- How the environment wants its releases, as captain.yml has it: JSON.
ALTER TABLE environment ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- The commit that the ref stands at, where that one asked not to be built; the other columns tell of the newest build.
ALTER TABLE ref_head ADD COLUMN skipped_sha TEXT;
