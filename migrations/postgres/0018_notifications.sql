-- Who is told what, what is wrong now, and what is on its way to whom.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

-- Where notifications go.
CREATE TABLE channel (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,                    -- webhook slack pagerduty email
    target TEXT NOT NULL,                  -- for people: nothing that lets anybody send there
    address BYTEA NOT NULL,                 -- sealed JSON
    rule TEXT NOT NULL,                    -- JSON: what is told
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Trouble: a branch that cannot be built, an environment whose newest release failed.
CREATE TABLE alert (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,                 -- what the trouble is of
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    message TEXT NOT NULL,                 -- JSON: its newest news
    number BIGINT NOT NULL,               -- of the build or the release that failed last
    times BIGINT NOT NULL,                -- how often it was met
    opened_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    closed_at BIGINT,
    closed_by TEXT
);
CREATE UNIQUE INDEX alert_open ON alert (subject) WHERE closed_at IS NULL;
CREATE INDEX alert_closed ON alert (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX alert_of_repository ON alert (repository_id);

-- The outbox: one message to one channel.
CREATE TABLE notification (
    id TEXT PRIMARY KEY,
    channel_id TEXT NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
    alert_id TEXT REFERENCES alert (id) ON DELETE CASCADE,
    event_id BIGINT NOT NULL,             -- what it tells of
    message TEXT NOT NULL,                 -- JSON
    state TEXT NOT NULL,                   -- waiting sent failed dropped
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL,              -- not sent before; while it is being sent, when that is given up
    reason TEXT,                           -- why it failed, waits again or was dropped
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE UNIQUE INDEX notification_once ON notification (channel_id, event_id);
CREATE INDEX notification_waiting ON notification (next_at) WHERE state = 'waiting';
CREATE INDEX notification_of_alert ON notification (alert_id, channel_id);
CREATE INDEX notification_ended ON notification (ended_at) WHERE ended_at IS NOT NULL;

-- Up to which event it was seen who is to be told: nobody is told of what was before.
CREATE TABLE notified (
    event_id BIGINT NOT NULL
);
INSERT INTO notified (event_id) SELECT COALESCE(MAX(id), 0) FROM event;
