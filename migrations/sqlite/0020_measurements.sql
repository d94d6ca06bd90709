-- What was measured of environments' apps and of runners' hosts, as it came and summed up.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE measurement (
    subject TEXT NOT NULL,                 -- the id of an environment or of a runner
    span_ms INTEGER NOT NULL,              -- how much time it sums up
    at INTEGER NOT NULL,                   -- when that began
    figures TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (subject, span_ms, at)
) STRICT;
CREATE INDEX measurement_by_age ON measurement (span_ms, at);
