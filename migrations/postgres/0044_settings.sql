-- What the pages of settings ask for: when a token was last used, and the audit log of somebody, and of one kind of change.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE access_token ADD COLUMN last_used_at BIGINT;     -- to the minute

CREATE INDEX audit_by_actor ON audit_entry (actor, id DESC);
CREATE INDEX audit_by_action ON audit_entry (action, id DESC);
CREATE INDEX audit_by_both ON audit_entry (actor, action, id DESC);
