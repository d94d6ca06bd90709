-- Questions to runners for what a container writes, until whoever asked has the answer.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE log_question (
    id TEXT PRIMARY KEY NOT NULL,
    runner_id TEXT NOT NULL REFERENCES runner (id) ON DELETE CASCADE,
    wanted TEXT NOT NULL,                  -- JSON: what is asked of the runner
    asked_at INTEGER NOT NULL,
    handed_out_at INTEGER,                 -- to the runner, once
    answer TEXT                            -- JSON: what it said
) STRICT;
CREATE INDEX log_question_of_runner ON log_question (runner_id, asked_at);
