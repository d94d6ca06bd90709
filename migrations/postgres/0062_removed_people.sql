-- Whoever had an account is known for ever: their name, and what they logged in by elsewhere, become nobody else's.
ALTER TABLE user_account ADD COLUMN removed_at BIGINT;
