//! The outbox: messages on their way to channels, and up to which event it was seen who is to be told.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, events::Event, execute, row, rows};
use crate::{
    ids::{AlertId, BuildId, ChannelId, NotificationId},
    notifications::{Message, NotificationState},
};

/// One message to one channel.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// Where to.
    pub channel_id: ChannelId,
    /// The trouble that it belongs to.
    pub alert_id: Option<AlertId>,
    /// The event that it tells of.
    pub event_id: i64,
    /// What it says.
    pub message: JsonText<Message>,
    /// Where it stands.
    pub state: NotificationState,
    /// How often it was sent.
    pub attempts: i64,
    /// It is not sent before, in unix milliseconds; while it is being sent, when that is given up.
    pub next_at: i64,
    /// Why it failed, waits again or was dropped.
    pub reason: Option<String>,
    /// When it was put here.
    pub created_at: i64,
    /// When it was sent, dropped or given up.
    pub ended_at: Option<i64>,
}

/// Up to which event it was seen who is to be told.
pub(crate) async fn seen(conn: &mut Conn<'_>) -> Result<i64, StoreError> {
    let found: Option<(i64,)> = row!(conn, "SELECT event_id FROM notified LIMIT 1")?;
    found.map(|(id,)| id).ok_or_else(|| StoreError::missing("mark of what was told in", "notified"))
}

/// Moves that on; false when somebody else was faster.
pub(crate) async fn see(tx: &mut Tx, from: i64, to: i64) -> Result<bool, StoreError> {
    Ok(execute!(&mut tx.conn(), "UPDATE notified SET event_id = $2 WHERE event_id = $1", from, to)? == 1)
}

/// The events behind number `after` that somebody may be told of or that end trouble, oldest first, at most `limit`.
pub(crate) async fn news(conn: &mut Conn<'_>, after: i64, limit: i64) -> Result<Vec<Event>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, at, kind, repository_id, build_id, step_id, environment_id, release_id, data FROM event
         WHERE id > $1 AND kind IN ('build.failed', 'build.succeeded', 'release.held', 'release.live', 'release.failed',
                                    'release.breached', 'environment.unwell', 'environment.healed',
                                    'environment.removed', 'runner.silent', 'runner.heard', 'runner.disk_full',
                                    'runner.disk_free', 'runner.revoked', 'alert.acknowledged', 'alert.closed')
         ORDER BY id LIMIT $2",
        after,
        limit
    )?)
}

/// The number of the newest build of this build's ref that succeeded after it was queued.
pub(crate) async fn succeeded_later(conn: &mut Conn<'_>, build: &BuildId) -> Result<Option<i64>, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT later.number FROM build one
         JOIN build later ON later.repository_id = one.repository_id AND later.git_ref = one.git_ref
              AND later.number > one.number AND later.state = 'succeeded'
         WHERE one.id = $1 ORDER BY later.number DESC LIMIT 1",
        build
    )?;
    Ok(found.map(|(number,)| number))
}

/// Puts a message into the outbox; one that is there already stays as it is.
pub(crate) async fn add(tx: &mut Tx, new: &Notification) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO notification (id, channel_id, alert_id, event_id, message, state, attempts, next_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (channel_id, event_id) DO NOTHING",
        &new.id,
        &new.channel_id,
        new.alert_id.as_ref(),
        new.event_id,
        &new.message,
        new.state,
        new.attempts,
        new.next_at,
        new.created_at
    )?;
    Ok(())
}

/// The channels that have heard of a trouble, or will: something of it was sent, or is on its way.
pub(crate) async fn told_of(conn: &mut Conn<'_>, alert: &AlertId) -> Result<Vec<ChannelId>, StoreError> {
    let found: Vec<(ChannelId,)> = rows!(
        conn,
        "SELECT DISTINCT channel_id FROM notification
         WHERE alert_id = $1 AND state IN ('sent', 'waiting')",
        alert
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Drops what nobody was told of a trouble yet, as far as it was not due by `due`.
pub(crate) async fn drop_unsent(tx: &mut Tx, alert: &AlertId, reason: &str, due: i64) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE notification SET state = 'dropped', reason = $2, ended_at = $3
         WHERE alert_id = $1 AND state = 'waiting' AND attempts = 0 AND next_at > $4",
        alert,
        reason,
        now,
        due
    )?;
    Ok(())
}

/// When the next message is due.
pub(crate) async fn next_due(conn: &mut Conn<'_>) -> Result<Option<i64>, StoreError> {
    let found: Option<(i64,)> =
        row!(conn, "SELECT next_at FROM notification WHERE state = 'waiting' ORDER BY next_at LIMIT 1")?;
    Ok(found.map(|(at,)| at))
}

/// Lets be sent at once what waits although it was put here after `made`, or is to be sent again later than `next`; tells
/// how many that are.
pub(crate) async fn hasten(tx: &mut Tx, made: i64, next: i64) -> Result<u64, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE notification SET next_at = $1
         WHERE state = 'waiting' AND next_at > $1
           AND ((attempts = 0 AND created_at > $2) OR (attempts > 0 AND next_at > $3))",
        now,
        made,
        next
    )?)
}

/// Takes the messages that are due, at most `limit`, and keeps everybody else from them until `given_up_at`. What a
/// channel is told of one trouble is told in order.
pub(crate) async fn take_due(tx: &mut Tx, given_up_at: i64, limit: i64) -> Result<Vec<Notification>, StoreError> {
    let now = tx.now();
    Ok(rows!(
        &mut tx.conn(),
        "UPDATE notification SET attempts = attempts + 1, next_at = $2
         WHERE state = 'waiting' AND next_at <= $1 AND id IN (
             SELECT due.id FROM notification due
             WHERE due.state = 'waiting' AND due.next_at <= $1 AND NOT EXISTS (
                 SELECT 1 FROM notification earlier
                 WHERE earlier.alert_id = due.alert_id AND earlier.channel_id = due.channel_id
                   AND earlier.state = 'waiting' AND earlier.event_id < due.event_id)
             ORDER BY due.next_at LIMIT $3)
         RETURNING id, channel_id, alert_id, event_id, message, state, attempts, next_at, reason, created_at, ended_at",
        now,
        given_up_at,
        limit
    )?)
}

/// Notes how sending went: what is still `waiting` is sent again at `next_at`. Changes nothing when it was taken anew
/// meanwhile.
pub(crate) async fn settle(
    tx: &mut Tx,
    taken: &Notification,
    state: NotificationState,
    next_at: i64,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let now = tx.now();
    let ended_at = (state != NotificationState::Waiting).then_some(now);
    execute!(
        &mut tx.conn(),
        "UPDATE notification SET state = $3, next_at = $4, reason = $5, ended_at = $6
         WHERE id = $1 AND attempts = $2 AND state = 'waiting'",
        &taken.id,
        taken.attempts,
        state,
        next_at,
        reason,
        ended_at
    )?;
    Ok(())
}

/// The newest message to a channel.
///
/// # Errors
/// When the database fails.
pub async fn last_to(conn: &mut Conn<'_>, channel: &ChannelId) -> Result<Option<Notification>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, channel_id, alert_id, event_id, message, state, attempts, next_at, reason, created_at, ended_at
         FROM notification WHERE channel_id = $1 ORDER BY event_id DESC LIMIT 1",
        channel
    )?)
}

/// The messages below this id, newest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: &mut Conn<'_>,
    before: Option<&NotificationId>,
    limit: i64,
) -> Result<Vec<Notification>, StoreError> {
    // No id sorts behind this.
    let before = before.map_or("~", NotificationId::as_str);
    Ok(rows!(
        conn,
        "SELECT id, channel_id, alert_id, event_id, message, state, attempts, next_at, reason, created_at, ended_at
         FROM notification WHERE id < $1 ORDER BY id DESC LIMIT $2",
        before,
        limit
    )?)
}

/// Forgets what was sent, dropped or given up before `before`.
pub(crate) async fn forget(tx: &mut Tx, before: i64) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM notification WHERE ended_at IS NOT NULL AND ended_at < $1", before)?;
    Ok(())
}
