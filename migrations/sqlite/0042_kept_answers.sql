-- Answers to requests that may be sent again, for a day; they take the place of what was kept of requests to build alone.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

DROP TABLE build_request;

CREATE TABLE kept_answer (
    key_hash BLOB PRIMARY KEY,             -- SHA-256 of who asked, and their key
    request_hash BLOB NOT NULL,            -- SHA-256 of what they asked for
    status INTEGER NOT NULL,
    sealed BLOB NOT NULL,                  -- the body, which may hold a token
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX kept_answer_by_age ON kept_answer (created_at);
