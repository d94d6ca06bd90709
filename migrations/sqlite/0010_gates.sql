-- What must hold before a release begins: protection and freezes of environments, releases that are held, decisions.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

-- What an administrator asks of the environment's releases, beyond captain.yml: JSON.
ALTER TABLE environment ADD COLUMN protection TEXT NOT NULL DEFAULT '{}';
-- Who froze it, since when, until when and why: JSON; null while it is not frozen.
ALTER TABLE environment ADD COLUMN frozen TEXT;

-- When another release took its place in the environment.
ALTER TABLE release ADD COLUMN retired_at INTEGER;
UPDATE release SET retired_at = (
    SELECT MIN(later.finished_at) FROM release later
    WHERE later.environment_id = release.environment_id AND later.id <> release.id
      AND later.state IN ('live', 'retired') AND later.finished_at >= release.finished_at)
WHERE state = 'retired';

-- Releases that are held, wait for their rollout or are in it; and those that are held alone.
DROP INDEX release_unsettled;
CREATE INDEX release_unsettled ON release (environment_id) WHERE state IN ('held', 'queued', 'rolling');
CREATE INDEX release_held ON release (id) WHERE state = 'held';

-- What was decided of a release or of a whole environment, by whom and why; kept as it was.
CREATE TABLE decision (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environment (id) ON DELETE CASCADE,
    release_id TEXT REFERENCES release (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,                    -- held approved rejected admitted refused frozen unfrozen protected
    actor TEXT NOT NULL,
    reason TEXT,
    detail TEXT NOT NULL,                  -- JSON
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX decision_by_release ON decision (release_id, id);
CREATE INDEX decision_by_environment ON decision (environment_id, id);
