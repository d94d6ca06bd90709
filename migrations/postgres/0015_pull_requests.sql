-- What a forge said last of a pull request, and when: what it said before that changes nothing any more.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE pull_request (
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    said_at BIGINT NOT NULL,               -- by the forge's clock, in unix milliseconds
    is_closed BIGINT NOT NULL,             -- 0 or 1
    PRIMARY KEY (repository_id, number)
);
