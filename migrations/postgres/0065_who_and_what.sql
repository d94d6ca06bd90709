-- What a delivery was sent by is shown with it: those of its headers that prove nothing.
ALTER TABLE delivery ADD COLUMN headers TEXT;  -- JSON, by name; null where none were kept
-- What an image runs on, such as linux/amd64.
ALTER TABLE artifact ADD COLUMN platform TEXT;  -- null where its runner did not tell
-- Who stands behind an entry: of "ana via laptop", which ana did with a token of her own, ana.
ALTER TABLE audit_entry ADD COLUMN person TEXT GENERATED ALWAYS AS (split_part(actor, ' via ', 1)) STORED;
CREATE INDEX audit_by_person ON audit_entry (person, id DESC);
CREATE INDEX audit_by_person_and_action ON audit_entry (person, action, id DESC);
