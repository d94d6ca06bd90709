//! Which job is next: the rule of `crate::queue::order` in SQL.

use super::{Conn, JsonText, StoreError, Tx, jobs::Job, row};
use crate::{
    ids::JobId,
    queue::PREFERRED_MS,
    runners::{Labels, Takes},
};

/// Any constant: the lock that lets PostgreSQL's claims choose one after the other, as SQLite's do anyway. Two that
/// chose at once would both find room for one more build of a repository.
const CLAIM_LOCK: i64 = 0x511b_0a7f;

/// Who takes a job, and until when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claimant<'a> {
    /// The runner's id.
    pub(crate) runner: &'a str,
    /// Its present life.
    pub(crate) incarnation: &'a str,
    /// When the lease ends without a heartbeat, in unix milliseconds.
    pub(crate) until: i64,
}

/// Waits until no other claim is choosing; holds until the transaction ends.
pub(crate) async fn take_turns(tx: &mut Tx) -> Result<(), StoreError> {
    if let Conn::Postgres(connection) = &mut tx.conn() {
        sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CLAIM_LOCK).execute(&mut **connection).await?;
    }
    Ok(())
}

/// Who asks for a job, and what may be given to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    /// The runner's id.
    pub(crate) runner: &'a str,
    /// Its labels.
    pub(crate) labels: &'a Labels,
    /// What it takes.
    pub(crate) takes: Takes,
    /// The version of the protocol that it speaks.
    pub(crate) protocol: i64,
}

/// The text of [`next`]: only whether a runner's labels hold all that a repository needs is said in either dialect.
macro_rules! whose_turn {
    ($has_the_labels:literal) => {
        concat!(
            "WITH RECURSIVE waiting (repository_id) AS (
             SELECT (SELECT j.repository_id FROM job j WHERE j.state = 'queued' ORDER BY j.repository_id LIMIT 1)
             UNION ALL
             SELECT (SELECT j.repository_id FROM job j WHERE j.state = 'queued' AND j.repository_id > w.repository_id
                     ORDER BY j.repository_id LIMIT 1)
             FROM waiting w WHERE w.repository_id IS NOT NULL
         ), line AS MATERIALIZED (
             SELECT (SELECT COUNT(*) FROM job o
                     WHERE o.state = 'leased' AND o.repository_id = r.id AND o.kind IN ('build', 'rollout')) AS running,
                    (SELECT o.turn FROM job o WHERE o.repository_id = r.id ORDER BY o.turn DESC LIMIT 1) AS turn,
                    CASE WHEN $5 = 'everything' THEN
                    (SELECT q.id FROM job q
                     WHERE q.state = 'queued' AND q.repository_id = r.id AND q.kind = 'rollout' AND q.not_before <= $1
                       AND NOT EXISTS (SELECT 1 FROM job o
                                       WHERE o.state = 'leased' AND o.concurrency_key = q.concurrency_key)
                       AND q.protocol <= $7
                       AND NOT EXISTS (SELECT 1 FROM release x JOIN environment e ON e.id = x.environment_id
                                       WHERE x.id = q.release_id AND e.runner_id <> $3)
                     ORDER BY q.priority DESC, q.not_before, q.id LIMIT 1) END AS rollout,
                    CASE WHEN (r.runner_labels = '{}' OR ",
            $has_the_labels,
            ") AND (SELECT COUNT(*) FROM job o
                               WHERE o.state = 'leased' AND o.repository_id = r.id AND o.kind = 'build')
                              < COALESCE(r.builds_at_once, $2) THEN
                        (SELECT q.id FROM job q
                         WHERE q.state = 'queued' AND q.repository_id = r.id AND q.kind = 'build' AND q.not_before <= $1
                           AND NOT EXISTS (SELECT 1 FROM takeover t
                                           WHERE t.job_id = q.id AND t.runner_id <> $3
                                             AND t.preferred_until > $1 AND t.preferred_until <= $6)
                         ORDER BY q.priority DESC, q.not_before, q.id LIMIT 1) END AS build
             FROM waiting w JOIN repository r ON r.id = w.repository_id AND r.let_go_at IS NULL
         )
         SELECT COALESCE(l.rollout, l.build) FROM line l WHERE COALESCE(l.rollout, l.build) IS NOT NULL
         ORDER BY l.rollout IS NULL, l.running, l.turn, COALESCE(l.rollout, l.build) LIMIT 1"
        )
    };
}

/// The job whose turn it is among those that the asker may have; `builds_at_once` is the limit of the repositories that
/// have none of their own.
///
/// It looks at each repository that waits once, by index, and not at each job: what it costs grows with the
/// repositories that have something in the queue. Only rollouts of environments that another runner hosts are looked at
/// one by one. Both kinds are named where jobs that run are counted, so that SQLite takes the index of these, and not one
/// that holds all jobs that ever were.
pub(crate) async fn next(tx: &mut Tx, asker: Asker<'_>, builds_at_once: i64) -> Result<Option<JobId>, StoreError> {
    let now = tx.now();
    let found: Option<(JobId,)> = row!(
        &mut tx.conn(),
        sqlite: whose_turn!(
            "NOT EXISTS (SELECT 1 FROM json_each(r.runner_labels) need
                         WHERE NOT EXISTS (SELECT 1 FROM json_each($4) has
                                           WHERE has.key = need.key AND has.value = need.value))"
        ),
        postgres: whose_turn!("CAST(r.runner_labels AS jsonb) <@ CAST($4 AS jsonb)"),
        now,
        builds_at_once,
        asker.runner,
        JsonText(asker.labels),
        asker.takes,
        now + PREFERRED_MS,
        asker.protocol
    )?;
    Ok(found.map(|(id,)| id))
}

/// Leases the job: raises its epoch and its attempt, and notes whose turn it was. None when it was cancelled meanwhile.
pub(crate) async fn lease(tx: &mut Tx, id: &JobId, claimant: Claimant<'_>) -> Result<Option<Job>, StoreError> {
    Ok(row!(
        &mut tx.conn(),
        "UPDATE job SET state = 'leased', attempt = attempt + 1, lease_epoch = lease_epoch + 1, lease_owner = $2,
                lease_incarnation = $3, lease_until = $4,
                turn = 1 + (SELECT o.turn FROM job o ORDER BY o.turn DESC LIMIT 1)
         WHERE id = $1 AND state = 'queued'
         RETURNING id, kind, build_id, release_id, state, attempt, attempt_reason, losses, repository_id,
                   concurrency_key, lease_owner, lease_incarnation, lease_epoch, lease_until, cancel_requested_at,
                   created_at, finished_at",
        id,
        claimant.runner,
        claimant.incarnation,
        claimant.until
    )?)
}
