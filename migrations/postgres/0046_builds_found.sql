-- Builds by author and by state, for whoever looks for one among many.

CREATE INDEX build_by_author ON build (repository_id, author, number DESC);
CREATE INDEX build_by_state ON build (repository_id, state, number DESC);
