-- What forges are shown of builds and releases, and with which credentials.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE forge_credential (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,                    -- token app
    api TEXT NOT NULL,                     -- such as https://api.github.com
    app TEXT,                              -- the client id of a GitHub App
    secret BLOB NOT NULL,                  -- sealed: the token, or the App's key
    repositories TEXT,                     -- JSON: patterns of names; null for every repository
    resting_until INTEGER NOT NULL,       -- nothing is sent before: the forge asked for a rest
    updated_at INTEGER NOT NULL
) STRICT;

-- JSON: what is reported, such as {"statuses": "build", "deployments": true}; what is left away is as usual.
ALTER TABLE repository ADD COLUMN reports TEXT NOT NULL DEFAULT '{}';

-- The outbox: what a forge is to show, one row for each thing that it shows. Only the newest counts.
CREATE TABLE forge_report (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,                 -- 'status SHA CONTEXT' or 'deployment RELEASE'
    build_id TEXT REFERENCES build (id) ON DELETE CASCADE,
    release_id TEXT REFERENCES release (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,              -- of the build or the release: an older one tells nothing any more
    event_id INTEGER NOT NULL,            -- the newest event that it tells of
    wanted TEXT NOT NULL,                  -- JSON: what the forge is to show
    sent TEXT,                             -- JSON: what it accepted last
    forge_ref TEXT,                        -- the forge's own id of it
    state TEXT NOT NULL,                   -- waiting sent failed
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,             -- not sent before
    sending_until INTEGER NOT NULL,       -- somebody sends it until then, and nobody else
    reason TEXT,                           -- why it failed, or waits again
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    UNIQUE (repository_id, subject)
) STRICT;
CREATE INDEX forge_report_waiting ON forge_report (next_at) WHERE state = 'waiting';
CREATE INDEX forge_report_of_build ON forge_report (build_id);
CREATE INDEX forge_report_of_release ON forge_report (release_id);
CREATE INDEX forge_report_ended ON forge_report (ended_at) WHERE ended_at IS NOT NULL;

-- Up to which event it was seen what forges are to show.
CREATE TABLE forge_seen (
    event_id INTEGER NOT NULL
) STRICT;
INSERT INTO forge_seen (event_id) SELECT COALESCE(MAX(id), 0) FROM event;
