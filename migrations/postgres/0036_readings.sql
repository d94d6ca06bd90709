-- What was measured last of new containers while a step of a rollout tried them, as JSON.
CREATE TABLE reading (
    step_id TEXT NOT NULL PRIMARY KEY REFERENCES step (id) ON DELETE CASCADE,
    readings TEXT NOT NULL
);
