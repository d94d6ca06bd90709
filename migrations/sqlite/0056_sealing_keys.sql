-- The keys that what is sealed was sealed with, by their ids alone: the newest is the one of today.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE sealing_key (
    number INTEGER PRIMARY KEY NOT NULL,
    key_id TEXT NOT NULL,
    begun_at INTEGER NOT NULL,
    ended_at INTEGER,                      -- when nothing was sealed with earlier ones any more
    resealed INTEGER NOT NULL DEFAULT 0,   -- how many values were sealed anew with it
    unopened INTEGER NOT NULL DEFAULT 0    -- how many no key opened
) STRICT;

-- Which keys the servers of a shared database have.
CREATE TABLE sealing_server (
    server TEXT PRIMARY KEY NOT NULL,
    opens TEXT NOT NULL,                   -- JSON: the ids of the keys that it has
    seals TEXT NOT NULL,                   -- the id of the one that it seals with
    seen_at INTEGER NOT NULL
) STRICT;
