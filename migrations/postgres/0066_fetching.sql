-- Which credentials of a forge repositories are fetched with as well.
ALTER TABLE forge_credential ADD COLUMN fetches BIGINT NOT NULL DEFAULT 0;  -- 0 or 1
