-- The queue takes turns between repositories, and each has a limit of builds at once.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

-- How many builds of the repository may run at once; null for the server's own limit.
ALTER TABLE repository ADD COLUMN builds_at_once INTEGER;

-- The repository that the job is of.
ALTER TABLE job ADD COLUMN repository_id TEXT NOT NULL DEFAULT '';
-- The how manieth claim of all leased it last; 0 while none did.
ALTER TABLE job ADD COLUMN turn INTEGER NOT NULL DEFAULT 0;
-- How often its runner was lost since somebody last asked for it.
ALTER TABLE job ADD COLUMN losses INTEGER NOT NULL DEFAULT 0;
UPDATE job SET repository_id = COALESCE(
    (SELECT b.repository_id FROM build b WHERE b.id = job.build_id),
    (SELECT e.repository_id FROM release r JOIN environment e ON e.id = r.environment_id WHERE r.id = job.release_id));
UPDATE job SET losses = attempt - 1 WHERE attempt > 1;
CREATE INDEX job_line ON job (repository_id, kind, priority DESC, not_before, id) WHERE state = 'queued';
CREATE INDEX job_running ON job (repository_id, kind) WHERE state = 'leased';
CREATE INDEX job_turn ON job (turn);
CREATE INDEX job_turn_of_repository ON job (repository_id, turn);
