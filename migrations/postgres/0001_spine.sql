-- The spine: from a delivery to a live release. Times are unix milliseconds; ids are ULIDs in text.
-- The SQLite twin under the same number must describe the same tables and columns; a test compares them.

CREATE TABLE repository (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    clone_url TEXT NOT NULL,
    default_branch TEXT NOT NULL,
    hook_id TEXT NOT NULL UNIQUE,
    hook_secret BYTEA NOT NULL,            -- sealed
    last_build_number BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

CREATE TABLE registry_credential (
    host TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    password BYTEA NOT NULL,               -- sealed
    updated_at BIGINT NOT NULL
);

CREATE TABLE build (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    dedup_key TEXT NOT NULL UNIQUE,        -- repository, ref, commit, trigger
    event TEXT NOT NULL,
    git_ref TEXT NOT NULL,
    commit_sha TEXT NOT NULL,
    before_sha TEXT,                       -- where the ref stood before, as far as the forge said
    message TEXT NOT NULL,
    author TEXT NOT NULL,
    state TEXT NOT NULL,                   -- queued running succeeded failed cancelled
    reason TEXT,                           -- why it failed, or why it waits
    release_plan TEXT,                     -- JSON, once it succeeded
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (repository_id, number)
);
CREATE INDEX build_by_ref ON build (repository_id, git_ref, number DESC);
CREATE INDEX build_by_before ON build (repository_id, git_ref, before_sha);
CREATE INDEX build_unfinished ON build (repository_id, git_ref) WHERE state IN ('queued', 'running');

-- The newest build of each branch and tag, so that a page need not search for it.
CREATE TABLE ref_head (
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    git_ref TEXT NOT NULL,
    build_id TEXT NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    commit_sha TEXT NOT NULL,
    deleted_at BIGINT,                 -- when the forge said that the ref is gone
    PRIMARY KEY (repository_id, git_ref)
);
CREATE INDEX ref_head_by_number ON ref_head (repository_id, number DESC) WHERE deleted_at IS NULL;

CREATE TABLE delivery (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    forge_id TEXT NOT NULL,                -- the forge's own delivery id
    event TEXT NOT NULL,
    state TEXT NOT NULL,                   -- accepted ignored
    reason TEXT,                           -- why it was ignored
    payload BYTEA NOT NULL,                -- compressed
    build_id TEXT REFERENCES build (id) ON DELETE SET NULL,
    received_at BIGINT NOT NULL,
    UNIQUE (repository_id, forge_id)
);
CREATE INDEX delivery_by_repository ON delivery (repository_id, id DESC);

CREATE TABLE artifact (
    build_id TEXT NOT NULL REFERENCES build (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    app TEXT NOT NULL,
    image TEXT NOT NULL,
    digest TEXT NOT NULL,
    tags TEXT NOT NULL,                    -- JSON list
    size BIGINT NOT NULL,                  -- bytes
    PRIMARY KEY (build_id, app)
);

CREATE TABLE environment (
    id TEXT PRIMARY KEY,
    repository_id TEXT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,              -- its place in captain.yml
    source TEXT NOT NULL,                  -- JSON: where its releases come from
    last_release_number BIGINT NOT NULL DEFAULT 0,
    removed_at BIGINT,                -- when captain.yml stopped naming it
    created_at BIGINT NOT NULL,
    UNIQUE (repository_id, name)
);

CREATE TABLE release (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environment (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    dedup_key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,                    -- build promotion rollback
    build_id TEXT NOT NULL REFERENCES build (id),
    source_release_id TEXT REFERENCES release (id),
    actor TEXT NOT NULL,                   -- who asked for it
    state TEXT NOT NULL,                   -- queued rolling live retired failed superseded
    reason TEXT,
    content TEXT NOT NULL,                 -- JSON: apps by digest with their run specification; never changed
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (environment_id, number)
);
CREATE INDEX release_unsettled ON release (environment_id) WHERE state IN ('queued', 'rolling');
CREATE INDEX release_by_build ON release (build_id);
CREATE UNIQUE INDEX release_live ON release (environment_id) WHERE state = 'live';
CREATE UNIQUE INDEX release_rolling ON release (environment_id) WHERE state = 'rolling';

CREATE TABLE job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,                    -- build rollout
    build_id TEXT REFERENCES build (id) ON DELETE CASCADE,
    release_id TEXT REFERENCES release (id) ON DELETE CASCADE,
    state TEXT NOT NULL,                   -- queued leased succeeded failed cancelled
    attempt BIGINT NOT NULL DEFAULT 0,
    attempt_reason TEXT,                   -- why there is more than one attempt
    priority BIGINT NOT NULL DEFAULT 0,
    not_before BIGINT NOT NULL,
    concurrency_key TEXT,                  -- one leased job for each
    lease_owner TEXT,
    lease_incarnation TEXT,
    lease_epoch BIGINT NOT NULL DEFAULT 0,
    lease_until BIGINT,
    cancel_requested_at BIGINT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT,
    CHECK ((build_id IS NULL) <> (release_id IS NULL))
);
CREATE INDEX job_waiting ON job (priority DESC, not_before, id) WHERE state = 'queued';
CREATE INDEX job_leased ON job (lease_until) WHERE state = 'leased';
CREATE INDEX job_by_build ON job (build_id);
CREATE INDEX job_by_release ON job (release_id);
CREATE UNIQUE INDEX job_one_per_key ON job (concurrency_key) WHERE state = 'leased';

CREATE TABLE step (
    id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    attempt BIGINT NOT NULL,
    position BIGINT NOT NULL,
    app TEXT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    needs TEXT NOT NULL,                   -- JSON list of positions
    state TEXT NOT NULL,                   -- pending running succeeded failed skipped cancelled lost
    reason TEXT,
    exit_code BIGINT,
    output TEXT NOT NULL DEFAULT '{}',     -- JSON
    started_at BIGINT,
    finished_at BIGINT,
    UNIQUE (job_id, attempt, position)
);

CREATE TABLE log_chunk (
    step_id TEXT NOT NULL REFERENCES step (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    first_line BIGINT NOT NULL,            -- from 1
    line_count BIGINT NOT NULL,
    data BYTEA NOT NULL,                   -- JSON list of lines, compressed
    PRIMARY KEY (step_id, seq)
);

CREATE INDEX log_chunk_by_line ON log_chunk (step_id, first_line);

-- What happened, in order; written by the transaction that made it happen. Everything a person sees is fed from here.
CREATE TABLE event (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,                    -- such as build.started
    repository_id TEXT,
    build_id TEXT,
    step_id TEXT,
    environment_id TEXT,
    release_id TEXT,
    data TEXT NOT NULL                     -- JSON
);

CREATE TABLE runner (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    capacity BIGINT NOT NULL,
    version TEXT NOT NULL,
    last_seen_at BIGINT NOT NULL
);

CREATE TABLE access_token (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,                    -- administrator
    token_hash BYTEA NOT NULL UNIQUE,      -- SHA-256 of a random value
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE session (
    id_hash BYTEA PRIMARY KEY,             -- SHA-256 of the cookie's value
    token_id TEXT NOT NULL REFERENCES access_token (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL
);

CREATE TABLE audit_entry (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL                   -- JSON
);

-- What an administrator chose at run time, by name.
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,                   -- JSON
    updated_at BIGINT NOT NULL
);
