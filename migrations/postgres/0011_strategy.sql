-- How a release takes the place of the one before: settled when it is made, so that a rollout that is resumed takes the
-- steps that it began with.
ALTER TABLE release ADD COLUMN strategy TEXT NOT NULL DEFAULT '{"strategy":"rolling"}'; -- JSON
