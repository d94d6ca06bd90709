-- What was last asked for a pull request decides whether its opener is trusted again.
CREATE INDEX build_approval_of_pull ON build_approval (repository_id, number, asked_at);
