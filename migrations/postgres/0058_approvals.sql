-- Builds of pull requests that run only once a person has looked at them, and whose pull requests need no such look.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

-- Who opened the pull request and where it comes from, as the forge says; none where that was before this was noted.
ALTER TABLE build_pull_request ADD COLUMN author_id BIGINT;
ALTER TABLE build_pull_request ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE build_pull_request ADD COLUMN fork TEXT;   -- the other repository's name; null for the repository's own branches

-- A build that needs an approval: of one commit, merged into one branch.
CREATE TABLE build_approval (
    build_id TEXT PRIMARY KEY REFERENCES build (id) ON DELETE CASCADE,
    repository_id TEXT NOT NULL,
    number BIGINT NOT NULL,               -- the pull request's
    base_branch TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    state TEXT NOT NULL,                   -- wanted given refused
    look TEXT,                             -- JSON: what would run, once that is known
    asked_at BIGINT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT
);
CREATE INDEX build_approval_wanted ON build_approval (repository_id, asked_at) WHERE state = 'wanted';
CREATE INDEX build_approval_asked ON build_approval (asked_at) WHERE state = 'wanted';
CREATE INDEX build_approval_given ON build_approval (repository_id, number, commit_sha) WHERE state = 'given';

-- Whose pull requests need an approval: forks, pull_requests or nobody.
ALTER TABLE repository ADD COLUMN approvals TEXT NOT NULL DEFAULT 'forks';

-- The forge's accounts whose pull requests need none.
CREATE TABLE trusted_account (
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    account_id BIGINT NOT NULL,
    login TEXT NOT NULL,                   -- for people; the id is what counts
    added_at BIGINT NOT NULL,
    added_by TEXT NOT NULL,
    PRIMARY KEY (repository_id, account_id)
);

-- A build that waits for its approval is not over.
DROP INDEX build_unfinished;
CREATE INDEX build_unfinished ON build (repository_id, git_ref) WHERE state IN ('queued', 'awaiting', 'running');
CREATE INDEX job_held ON job (created_at) WHERE state = 'held';
