-- What somebody was once connected with elsewhere stays known as theirs, so that nobody approves their own builds by disconnecting it.
ALTER TABLE user_identity ADD COLUMN disconnected_at INTEGER;  -- null where it opens the account
