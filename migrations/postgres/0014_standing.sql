-- How the containers of environments stand, as their runners last told it.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE standing (
    environment_id TEXT PRIMARY KEY REFERENCES environment (id) ON DELETE CASCADE,
    release_id TEXT NOT NULL,
    runner_id TEXT NOT NULL,
    replicas TEXT NOT NULL,                -- JSON
    at BIGINT NOT NULL
);

-- What was not as it should be in an environment, and was put right.
CREATE INDEX event_drift ON event (environment_id, id)
    WHERE kind IN ('environment.drifted', 'environment.crash_loop', 'environment.healed');
CREATE INDEX environment_by_runner ON environment (runner_id);
