-- Tokens that may do something somewhere for some time, and an audit log that nobody edits.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE access_token ADD COLUMN repository TEXT;     -- the pattern of repositories that its role holds in; null for the server
ALTER TABLE access_token ADD COLUMN environment TEXT;    -- the pattern of environments there; null for all of the repository
ALTER TABLE access_token ADD COLUMN expires_at INTEGER;  -- null for never

-- Up to which entry the audit log was let go for its age: no other entry can be removed.
CREATE TABLE audit_end (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    through TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'the audit log cannot be edited');
END;

CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit_entry
WHEN OLD.id > COALESCE((SELECT through FROM audit_end WHERE one = 1), '')
BEGIN
    SELECT RAISE(ABORT, 'the audit log cannot be edited');
END;
