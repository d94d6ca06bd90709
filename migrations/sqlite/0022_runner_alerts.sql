-- Trouble may be of a runner, which belongs to no repository.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

-- SQLite cannot let a column be empty that must not be: both tables are made anew, the one that refers to the other first to go.
CREATE TABLE alert_anew (
    id TEXT PRIMARY KEY,
    subject TEXT NOT NULL,                 -- what the trouble is of
    repository_id TEXT REFERENCES repository (id) ON DELETE CASCADE,
    message TEXT NOT NULL,                 -- JSON: its newest news
    number INTEGER NOT NULL,               -- of the build or the release that failed last
    times INTEGER NOT NULL,                -- how often it was met
    opened_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    closed_at INTEGER,
    closed_by TEXT
) STRICT;
INSERT INTO alert_anew SELECT * FROM alert;

CREATE TABLE notification_anew (
    id TEXT PRIMARY KEY,
    channel_id TEXT NOT NULL REFERENCES channel (id) ON DELETE CASCADE,
    alert_id TEXT REFERENCES alert_anew (id) ON DELETE CASCADE,
    event_id INTEGER NOT NULL,             -- what it tells of
    message TEXT NOT NULL,                 -- JSON
    state TEXT NOT NULL,                   -- waiting sent failed dropped
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,              -- not sent before; while it is being sent, when that is given up
    reason TEXT,                           -- why it failed, waits again or was dropped
    created_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
INSERT INTO notification_anew SELECT * FROM notification;

DROP TABLE notification;
DROP TABLE alert;
ALTER TABLE alert_anew RENAME TO alert;
ALTER TABLE notification_anew RENAME TO notification;

CREATE UNIQUE INDEX alert_open ON alert (subject) WHERE closed_at IS NULL;
CREATE INDEX alert_closed ON alert (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX alert_of_repository ON alert (repository_id);
CREATE UNIQUE INDEX notification_once ON notification (channel_id, event_id);
CREATE INDEX notification_waiting ON notification (next_at) WHERE state = 'waiting';
CREATE INDEX notification_of_alert ON notification (alert_id, channel_id);
CREATE INDEX notification_ended ON notification (ended_at) WHERE ended_at IS NOT NULL;

ALTER TABLE runner ADD COLUMN silent_at INTEGER;      -- since when it is told of as silent
ALTER TABLE runner ADD COLUMN disk_full_at INTEGER;   -- since when its disk is told of as nearly full
