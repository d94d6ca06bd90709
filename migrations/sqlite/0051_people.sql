-- People: their accounts, what they may do, and their sessions.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE user_account (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,         -- the name as names are compared
    password_hash TEXT,                    -- argon2id, as a PHC string; null until they set one
    link_hash BLOB UNIQUE,                 -- SHA-256 of the end of the link by which they set it
    link_until INTEGER,
    disabled_at INTEGER,
    created_at INTEGER NOT NULL,
    last_login_at INTEGER
) STRICT;

CREATE TABLE user_grant (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    role TEXT NOT NULL,                    -- viewer developer deployer administrator
    repository TEXT,                       -- the pattern of repositories that it holds in; null for the server
    environment TEXT,                      -- the pattern of environments there; null for all of the repository
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX user_grant_of_user ON user_grant (user_id);

CREATE TABLE user_session (
    id_hash BLOB PRIMARY KEY,              -- SHA-256 of the cookie's value
    id TEXT NOT NULL UNIQUE,               -- a name for it that opens nothing
    user_id TEXT NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    address TEXT NOT NULL,                 -- where it was opened from
    browser TEXT NOT NULL,                 -- what that called itself
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX user_session_of_user ON user_session (user_id, last_seen_at);
