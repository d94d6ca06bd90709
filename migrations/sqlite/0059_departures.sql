-- Repositories that are let go: nobody sees them any more, and what they left is removed in portions.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

ALTER TABLE repository ADD COLUMN let_go_at INTEGER;
CREATE INDEX repository_let_go ON repository (let_go_at) WHERE let_go_at IS NOT NULL;
