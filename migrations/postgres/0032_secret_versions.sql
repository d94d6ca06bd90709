-- Every value that a secret had and that a release may still run with.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

-- Counts the values that were ever set for a repository: none of them is ever taken for another.
ALTER TABLE repository ADD COLUMN last_secret_version BIGINT NOT NULL DEFAULT 0;

CREATE TABLE secret_version (
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    version BIGINT NOT NULL,
    environment TEXT NOT NULL,             -- as the secret's
    name TEXT NOT NULL,
    value BYTEA NOT NULL,            -- sealed
    PRIMARY KEY (repository_id, version)
);
CREATE INDEX secret_version_by_name ON secret_version (repository_id, environment, name);

INSERT INTO secret_version (repository_id, version, environment, name, value)
SELECT repository_id, ROW_NUMBER() OVER (PARTITION BY repository_id ORDER BY environment, name), environment, name, value
FROM secret;
UPDATE repository SET last_secret_version = (
    SELECT COUNT(*) FROM secret_version v WHERE v.repository_id = repository.id);

-- The one that holds for what is released now.
ALTER TABLE secret ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
UPDATE secret SET version = (
    SELECT v.version FROM secret_version v
    WHERE v.repository_id = secret.repository_id AND v.environment = secret.environment AND v.name = secret.name);
ALTER TABLE secret DROP COLUMN value;
