//! The outbox of forges: what each is to show, and up to which event it was seen.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, events::Event, execute, row, rows};
use crate::{
    forge::{Asked, Report, ReportState},
    ids::{BuildId, ForgeReportId, ReleaseId, RepositoryId},
};

/// One thing that a forge is to show.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ForgeReport {
    /// Its id.
    pub id: ForgeReportId,
    /// The repository.
    pub repository_id: RepositoryId,
    /// What the forge is to show.
    pub wanted: JsonText<Report>,
    /// What it accepted last.
    pub sent: Option<JsonText<Report>>,
    /// The forge's own id of it.
    pub forge_ref: Option<String>,
    /// Where it stands.
    pub state: ReportState,
    /// How often this was sent.
    pub attempts: i64,
    /// It is not sent before, in unix milliseconds.
    pub next_at: i64,
    /// Somebody sends it until then, and nobody else.
    pub sending_until: i64,
    /// Why it failed, or waits again.
    pub reason: Option<String>,
    /// When the forge accepted it, or it was given up.
    pub ended_at: Option<i64>,
}

/// A report of any repository, as far as it is told how it went.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Told {
    /// The repository's name.
    pub repository: String,
    /// What the forge is to show.
    pub wanted: JsonText<Report>,
    /// Where it stands.
    pub state: ReportState,
    /// Why it failed, or waits again.
    pub reason: Option<String>,
    /// When it ended; of one that waits, when it is sent again.
    pub at: i64,
}

/// The reports that ended last, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn ended_lately(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Told>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT r.name AS repository, f.wanted, f.state, f.reason, f.ended_at AS at
         FROM forge_report f JOIN repository r ON r.id = f.repository_id
         WHERE f.ended_at IS NOT NULL AND f.ended_at > 0 ORDER BY f.ended_at DESC LIMIT $1",
        limit
    )?)
}

/// The reports that were sent in vain and are sent again, the soonest first.
///
/// # Errors
/// When the database fails.
pub async fn sent_again(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<Told>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT r.name AS repository, f.wanted, f.state, f.reason, f.next_at AS at
         FROM forge_report f JOIN repository r ON r.id = f.repository_id
         WHERE f.state = 'waiting' AND f.reason IS NOT NULL ORDER BY f.next_at LIMIT $1",
        limit
    )?)
}

/// Something to put here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewReport {
    pub(crate) repository_id: RepositoryId,
    /// The build that it is of.
    pub(crate) build_id: Option<BuildId>,
    /// The release that it is of.
    pub(crate) release_id: Option<ReleaseId>,
    /// The number of the build or the release.
    pub(crate) number: i64,
    /// The event that it tells of.
    pub(crate) event_id: i64,
    pub(crate) report: Report,
}

/// How a report's sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The forge shows it.
    Accepted,
    /// It is sent again at this time (unix milliseconds).
    Again {
        /// When.
        at: i64,
        /// Why.
        reason: String,
    },
    /// It waits as its forge wants to be left alone, which is no failure of its own.
    Rested {
        /// Until when.
        at: i64,
        /// Why.
        reason: String,
    },
    /// It is not sent again.
    GivenUp {
        /// Why.
        reason: String,
    },
}

/// What of a repository is reported.
///
/// # Errors
/// When the database fails.
pub async fn asked(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Asked, StoreError> {
    let found: Option<(JsonText<Asked>,)> = row!(conn, "SELECT reports FROM repository WHERE id = $1", repository)?;
    Ok(found.map(|(asked,)| asked.0).unwrap_or_default())
}

/// Sets what of a repository is reported from now on.
///
/// # Errors
/// When the database fails.
pub async fn ask(tx: &mut Tx, repository: &RepositoryId, asked: Asked) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE repository SET reports = $2 WHERE id = $1", repository, JsonText(asked))?;
    Ok(())
}

/// Up to which event it was seen what forges are to show.
pub(crate) async fn seen(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT event_id FROM forge_seen LIMIT 1")?;
    found.map(|(id,)| id).ok_or_else(|| StoreError::missing("mark of what was seen in", "forge_seen"))
}

/// Moves that on; false when somebody else was faster.
pub(crate) async fn see(tx: &mut Tx, from: i64, to: i64) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "UPDATE forge_seen SET event_id = $2 WHERE event_id = $1", from, to)? == 1)
}

/// The events behind number `after` that may change what a forge is to show, oldest first, at most `limit`.
pub(crate) async fn news(conn: &mut Conn<'_>, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, at, kind, repository_id, build_id, step_id, environment_id, release_id, data FROM event
         WHERE id > $1
           AND (kind IN ('build.queued', 'build.found', 'build.started', 'build.requeued', 'build.retried',
                         'build.succeeded', 'build.failed', 'build.cancelled', 'build.awaiting', 'build.approved', 'release.held', 'release.waits',
                         'release.queued', 'release.admitted', 'release.rejected', 'release.rolling',
                         'release.requeued', 'release.live', 'release.failed', 'release.retired', 'release.superseded')
                OR (kind IN ('step.started', 'step.succeeded', 'step.failed', 'step.skipped', 'step.cancelled', 'step.lost')
                    AND EXISTS (SELECT 1 FROM build JOIN repository asking ON asking.id = build.repository_id
                                WHERE build.id = event.build_id AND asking.reports LIKE '%:_steps_%')))
         ORDER BY id LIMIT $2",
        after,
        limit
    )?)
}

/// Puts here what a forge is to show, in the place of what it was to show of the same subject. What an older build or
/// release says, or an older event, changes nothing.
pub(crate) async fn put(tx: &mut Tx, new: &NewReport) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO forge_report (id, repository_id, subject, build_id, release_id, number, event_id, wanted, state,
                                   attempts, next_at, sending_until, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', 0, $9, 0, $9)
         ON CONFLICT (repository_id, subject) DO UPDATE
         SET build_id = excluded.build_id, release_id = excluded.release_id, number = excluded.number,
             event_id = excluded.event_id, wanted = excluded.wanted, state = 'waiting', attempts = 0,
             next_at = excluded.next_at, reason = NULL, created_at = excluded.created_at, ended_at = NULL
         WHERE excluded.number >= forge_report.number AND excluded.event_id >= forge_report.event_id
           AND excluded.wanted <> forge_report.wanted",
        ForgeReportId::new(),
        &new.repository_id,
        new.report.subject(),
        new.build_id.as_ref(),
        new.release_id.as_ref(),
        new.number,
        new.event_id,
        JsonText(&new.report),
        now
    )?;
    Ok(())
}

/// Lets be sent at once what of a repository waits or was given up, and was put here since a moment (unix milliseconds).
pub(crate) async fn try_again(tx: &mut Tx, repository: &RepositoryId, since: i64) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE forge_report SET state = 'waiting', attempts = 0, next_at = $3, ended_at = NULL
         WHERE repository_id = $1 AND state <> 'sent' AND created_at >= $2",
        repository,
        since,
        now
    )?;
    Ok(())
}

/// When the next report is due.
pub(crate) async fn next_due(conn: &mut Conn<'_>) -> Result<Option<i64>, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT next_at FROM forge_report WHERE state = 'waiting' ORDER BY next_at LIMIT 1")?;
    Ok(found.map(|(at,)| at))
}

/// Lets be sent at once what waits for a time that no pause explains: a first try later than `first`, another try or
/// somebody's sending later than `later` (unix milliseconds). Tells how many that are.
pub(crate) async fn hasten(tx: &mut Tx, first: i64, later: i64) -> Result<u64, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE forge_report SET next_at = $1, sending_until = 0
         WHERE state = 'waiting' AND ((attempts = 0 AND next_at > $2) OR next_at > $3 OR sending_until > $3)",
        now,
        first,
        later
    )?)
}

/// Takes the reports that are due and that nobody sends, at most `limit`, and keeps everybody else from them until
/// `until`.
pub(crate) async fn take_due(tx: &mut Tx, until: i64, limit: i64) -> Result<Vec<ForgeReport>, StoreError> {
    let now = tx.now();
    Ok(rows!(
        &mut tx.conn(),
        sqlite: "UPDATE forge_report SET attempts = attempts + 1, sending_until = $2
         WHERE state = 'waiting' AND next_at <= $1 AND sending_until <= $1 AND id IN (
             SELECT due.id FROM forge_report due
             WHERE due.state = 'waiting' AND due.next_at <= $1 AND due.sending_until <= $1
             ORDER BY due.next_at LIMIT $3)
         RETURNING id, repository_id, wanted, sent, forge_ref, state, attempts, next_at, sending_until, reason, ended_at",
        postgres: "UPDATE forge_report SET attempts = attempts + 1, sending_until = $2
         WHERE state = 'waiting' AND next_at <= $1 AND sending_until <= $1 AND id IN (
             SELECT due.id FROM forge_report due
             WHERE due.state = 'waiting' AND due.next_at <= $1 AND due.sending_until <= $1
             ORDER BY due.next_at LIMIT $3 FOR UPDATE SKIP LOCKED)
         RETURNING id, repository_id, wanted, sent, forge_ref, state, attempts, next_at, sending_until, reason, ended_at",
        now,
        until,
        limit
    )?)
}

/// Notes how sending a report went. What is to be shown otherwise by now waits on, to be sent next; and nothing is changed
/// when somebody else has taken it meanwhile.
pub(crate) async fn settle(tx: &mut Tx, taken: &ForgeReport, ended: &Ended) -> Result<(), StoreError> {
    let now = tx.now();
    let (state, next_at, reason) = match ended {
        Ended::Accepted => (ReportState::Sent, taken.next_at, None),
        Ended::Again { at, reason } | Ended::Rested { at, reason } => {
            (ReportState::Waiting, *at, Some(reason.as_str()))
        }
        Ended::GivenUp { reason } => (ReportState::Failed, taken.next_at, Some(reason.as_str())),
    };
    let sent = if *ended == Ended::Accepted { Some(&taken.wanted) } else { taken.sent.as_ref() };
    let ended_at = (state != ReportState::Waiting).then_some(now);
    // A first try is one all the same: what was never tried and waits for long is taken for a clock that was set back.
    let counted = match ended {
        Ended::Rested { .. } => (taken.attempts - 1).max(1),
        Ended::Accepted | Ended::Again { .. } | Ended::GivenUp { .. } => taken.attempts,
    };
    execute!(
        &mut tx.conn(),
        "UPDATE forge_report
         SET sent = $4, forge_ref = $5, sending_until = 0,
             attempts = CASE WHEN wanted = $3 THEN $10 ELSE attempts END,
             state = CASE WHEN wanted = $3 THEN $6 ELSE state END,
             next_at = CASE WHEN wanted = $3 THEN $7 ELSE next_at END,
             reason = CASE WHEN wanted = $3 THEN $8 ELSE reason END,
             ended_at = CASE WHEN wanted = $3 THEN $9 ELSE ended_at END
         WHERE id = $1 AND sending_until = $2 AND state = 'waiting'",
        &taken.id,
        taken.sending_until,
        &taken.wanted,
        sent,
        taken.forge_ref.as_deref(),
        state,
        next_at,
        reason,
        ended_at,
        counted
    )?;
    Ok(())
}

/// What a forge is shown of a build.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Vec<ForgeReport>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, wanted, sent, forge_ref, state, attempts, next_at, sending_until, reason, ended_at
         FROM forge_report WHERE build_id = $1 ORDER BY subject",
        build
    )?)
}

/// What a forge is shown of a release.
///
/// # Errors
/// When the database fails.
pub async fn of_release(conn: &mut Conn<'_>, release: &ReleaseId) -> Result<Vec<ForgeReport>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, repository_id, wanted, sent, forge_ref, state, attempts, next_at, sending_until, reason, ended_at
         FROM forge_report WHERE release_id = $1 ORDER BY subject",
        release
    )?)
}

/// Forgets what was sent or given up before `before`.
pub(crate) async fn forget(tx: &mut Tx, before: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM forge_report WHERE ended_at IS NOT NULL AND ended_at < $1", before)?;
    Ok(())
}
