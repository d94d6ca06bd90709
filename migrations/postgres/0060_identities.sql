-- Accounts elsewhere by which people log in: at OpenID providers and at GitHub.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE user_identity (
    id TEXT PRIMARY KEY,
    issuer TEXT NOT NULL,                  -- who says who it is
    subject TEXT NOT NULL,                 -- the account's id there
    user_id TEXT NOT NULL REFERENCES user_account (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,                -- what the configuration called the provider
    shown TEXT NOT NULL,                   -- what the account was called there at the last login
    created_at BIGINT NOT NULL,
    last_login_at BIGINT,
    UNIQUE (issuer, subject)
);
CREATE INDEX user_identity_of_user ON user_identity (user_id, id);

ALTER TABLE user_grant ADD COLUMN identity_id TEXT REFERENCES user_identity (id) ON DELETE CASCADE;  -- of whose groups it comes; null where somebody granted it
CREATE INDEX user_grant_of_identity ON user_grant (identity_id);
