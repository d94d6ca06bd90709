-- Tokens that people make for themselves. What one may is never more than its owner may at that moment.
ALTER TABLE access_token ADD COLUMN user_id TEXT REFERENCES user_account (id) ON DELETE CASCADE;
ALTER TABLE access_token ADD COLUMN made_by TEXT REFERENCES access_token (id);  -- the token of the same owner that it was made with, and ends with
CREATE INDEX access_token_of_user ON access_token (user_id, id);
CREATE INDEX access_token_made_by ON access_token (made_by);
