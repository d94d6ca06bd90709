-- When a ref moved, so that an old delivery that is dealt with once more does not undo what came since.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

-- When a push was last seen to move it, also one whose commit is not built; none where that was before this was noted.
ALTER TABLE ref_head ADD COLUMN moved_at BIGINT;
