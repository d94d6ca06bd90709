-- What starts a build besides a push.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

-- The pull request that a build is of, where it is of one.
CREATE TABLE build_pull_request (
    build_id TEXT PRIMARY KEY REFERENCES build (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,                 -- the forge's
    head_branch TEXT NOT NULL,
    base_branch TEXT NOT NULL
) STRICT;

-- What captain.yml of the default branch asks to be built at set times.
CREATE TABLE schedule (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,               -- its place in captain.yml
    cron TEXT NOT NULL,
    timezone TEXT NOT NULL,
    branch TEXT NOT NULL,
    next_at INTEGER,                         -- when it is due; none when it never comes again, or is paused
    paused_at INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (repository_id, name)
) STRICT;
CREATE INDEX schedule_due ON schedule (next_at) WHERE next_at IS NOT NULL;

-- Each time that a schedule was kept, so that it is kept once, by whichever server.
CREATE TABLE schedule_fire (
    schedule_id TEXT NOT NULL REFERENCES schedule (id) ON DELETE CASCADE,
    slot INTEGER NOT NULL,                   -- when it was due
    fired_at INTEGER NOT NULL,
    missed INTEGER NOT NULL,                 -- how many times before it passed while no server ran
    build_id TEXT REFERENCES build (id) ON DELETE SET NULL,
    PRIMARY KEY (schedule_id, slot)
) STRICT;
CREATE INDEX schedule_fire_by_build ON schedule_fire (build_id);

-- Requests to build that may be sent again: what they led to, for a day.
CREATE TABLE build_request (
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    key TEXT NOT NULL,                     -- the sender's
    wanted TEXT NOT NULL,                  -- the ref and the commit
    build_id TEXT NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (repository_id, key)
) STRICT;
CREATE INDEX build_request_by_age ON build_request (created_at);
CREATE INDEX build_request_by_build ON build_request (build_id);

-- What was built of a commit before: a tag on it takes that over.
CREATE INDEX build_by_commit ON build (repository_id, commit_sha, number DESC);
