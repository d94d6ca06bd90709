-- The keys by which the server signs the images that its builds push.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE signing_key (
    id TEXT NOT NULL PRIMARY KEY,          -- the fingerprint of its public part
    public_key TEXT NOT NULL,              -- PEM
    private_key BLOB NOT NULL,            -- sealed
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
);
