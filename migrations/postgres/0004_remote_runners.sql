-- Runners on other machines: whose a token is, what runners say of themselves, and what needs which of them.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE runner ADD COLUMN given_labels TEXT NOT NULL DEFAULT '{}';    -- JSON: what an administrator said of it
ALTER TABLE runner ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';          -- JSON: those, and what it announced itself
ALTER TABLE runner ADD COLUMN takes TEXT NOT NULL DEFAULT 'everything';   -- everything builds
ALTER TABLE runner ADD COLUMN draining_at BIGINT;                         -- since when it takes no new work
ALTER TABLE runner ADD COLUMN revoked_at BIGINT;

ALTER TABLE access_token ADD COLUMN runner_id TEXT REFERENCES runner (id);

-- The labels that a runner must have to build it: JSON.
ALTER TABLE repository ADD COLUMN runner_labels TEXT NOT NULL DEFAULT '{}';

-- The runner whose engine hosts the environment; none before the first rollout.
ALTER TABLE environment ADD COLUMN runner_id TEXT;
