-- Tokens that may do something somewhere for some time, and an audit log that nobody edits.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE access_token ADD COLUMN repository TEXT;     -- the pattern of repositories that its role holds in; null for the server
ALTER TABLE access_token ADD COLUMN environment TEXT;    -- the pattern of environments there; null for all of the repository
ALTER TABLE access_token ADD COLUMN expires_at BIGINT;   -- null for never

-- Up to which entry the audit log was let go for its age: no other entry can be removed.
CREATE TABLE audit_end (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    through TEXT NOT NULL
);

CREATE FUNCTION audit_is_not_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.id <= (SELECT through FROM audit_end WHERE one = 1) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log cannot be edited';
END;
$$;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_is_not_edited();
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_not_edited();
