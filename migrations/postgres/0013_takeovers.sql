-- Builds that failed and whose next attempt takes over what succeeded.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE takeover (
    job_id TEXT PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    attempt BIGINT NOT NULL,               -- whose steps are taken over
    runner_id TEXT,                        -- the one that may still have what it left
    preferred_until BIGINT NOT NULL        -- until then no other runner takes the job
);
