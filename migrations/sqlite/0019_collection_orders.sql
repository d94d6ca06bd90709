-- Orders to runners to collect what they keep between jobs, until whoever gave one has its answers.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE collection_order (
    id TEXT NOT NULL,                      -- of one order to several runners
    runner_id TEXT NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    wanted TEXT NOT NULL,                  -- JSON: what is told to the runner
    given_at INTEGER NOT NULL,
    handed_out_at INTEGER,                -- to the runner, once
    report TEXT,                           -- JSON: what came of it
    PRIMARY KEY (id, runner_id)
) STRICT;
CREATE INDEX collection_order_of_runner ON collection_order (runner_id, given_at);
