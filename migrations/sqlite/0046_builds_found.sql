-- Builds by author and by state, for whoever looks for one among many.
-- The PostgreSQL twin under the same number must describe the same tables and columns; a test compares them.

CREATE INDEX build_by_author ON build (repository_id, author, number DESC);
CREATE INDEX build_by_state ON build (repository_id, state, number DESC);
