//! Runners: as they were admitted, and as they announced themselves.

use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, execute, row, rows};
use crate::runners::{Labels, Takes};

/// A runner.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Runner {
    /// Its identity, stable over restarts.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// Its present life; empty before the first.
    pub incarnation: String,
    /// How many jobs it takes at once.
    pub capacity: i64,
    /// Its Slipway version.
    pub version: String,
    /// When it was last heard of, in unix milliseconds; 0 when it never was.
    pub last_seen_at: i64,
    /// What is said of it, by itself and by those who admitted it.
    pub labels: JsonText<Labels>,
    /// What it takes.
    pub takes: Takes,
    /// Since when it finishes what it has and takes no new work.
    pub draining_at: Option<i64>,
    /// When its token was revoked.
    pub revoked_at: Option<i64>,
    /// What keeps it from taking work, in words.
    pub hindrance: Option<String>,
    /// Since when it is told of as silent.
    pub silent_at: Option<i64>,
    /// Since when the disk of its host is told of as nearly full.
    pub disk_full_at: Option<i64>,
    /// The version of the protocol that its present life speaks.
    pub protocol: i64,
    /// Who told it to take nothing new; none where nobody did.
    pub drained_by: Option<String>,
    /// When they did, in unix milliseconds.
    pub drained_at: Option<i64>,
}

/// What a runner says of a new life.
#[derive(Debug, Clone, Copy)]
pub struct Announced<'a> {
    /// Its identity.
    pub id: &'a str,
    /// Its name, where it was not given one when it was admitted.
    pub name: &'a str,
    /// The life.
    pub incarnation: &'a str,
    /// How many jobs it takes at once.
    pub capacity: i64,
    /// Its Slipway version.
    pub version: &'a str,
    /// All of its labels.
    pub labels: &'a Labels,
    /// What it takes.
    pub takes: Takes,
    /// The version of the protocol that it speaks.
    pub protocol: u32,
}

/// Every runner that may work, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Runner>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, name, incarnation, capacity, version, last_seen_at, labels, takes, draining_at, revoked_at,
                hindrance, silent_at, disk_full_at, protocol, drained_by, drained_at
         FROM runner WHERE revoked_at IS NULL ORDER BY name, id"
    )?)
}

/// The runner with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &str) -> Result<Option<Runner>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, incarnation, capacity, version, last_seen_at, labels, takes, draining_at, revoked_at,
                hindrance, silent_at, disk_full_at, protocol, drained_by, drained_at
         FROM runner WHERE id = $1",
        id
    )?)
}

/// The runner with this name, unless it was revoked; of several the one that was heard of last.
///
/// # Errors
/// When the database fails.
pub async fn named(conn: &mut Conn<'_>, name: &str) -> Result<Option<Runner>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, incarnation, capacity, version, last_seen_at, labels, takes, draining_at, revoked_at,
                hindrance, silent_at, disk_full_at, protocol, drained_by, drained_at
         FROM runner WHERE name = $1 AND revoked_at IS NULL ORDER BY COALESCE(last_seen_at, 0) DESC, id LIMIT 1",
        name
    )?)
}

/// A runner of which nothing was heard yet.
pub(crate) async fn admit(tx: &mut Tx, id: &str, name: &str, labels: &Labels) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO runner (id, name, incarnation, capacity, version, last_seen_at, given_labels, labels)
         VALUES ($1, $2, '', 0, '', 0, $3, $3)",
        id,
        name,
        JsonText(labels)
    )?;
    Ok(())
}

/// The labels that the runner was admitted with; none where it was not admitted, as the embedded one.
pub(crate) async fn given_labels(conn: &mut Conn<'_>, id: &str) -> Result<Option<Labels>, StoreError> {
    let found: Option<(JsonText<Labels>,)> = row!(conn, "SELECT given_labels FROM runner WHERE id = $1", id)?;
    Ok(found.map(|(labels,)| labels.0))
}

/// Notes that the runner is told of as silent, unless it is already, or was heard of since `last_seen_at`.
pub(crate) async fn fall_silent(tx: &mut Tx, id: &str, last_seen_at: i64) -> Result<bool, StoreError> {
    let now = tx.now();
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE runner SET silent_at = $3
         WHERE id = $1 AND last_seen_at = $2 AND silent_at IS NULL AND revoked_at IS NULL",
        id,
        last_seen_at,
        now
    )?;
    Ok(changed == 1)
}

/// Notes that the runner is not told of as silent any more; false when it was not.
pub(crate) async fn be_heard(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let changed =
        execute!(&mut tx.conn(), "UPDATE runner SET silent_at = NULL WHERE id = $1 AND silent_at IS NOT NULL", id)?;
    Ok(changed == 1)
}

/// Notes whether the disk of the runner's host is told of as nearly full; false when that was known.
pub(crate) async fn fill_disk(tx: &mut Tx, id: &str, is_full: bool) -> Result<bool, StoreError> {
    let since = is_full.then(|| tx.now());
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE runner SET disk_full_at = $2 WHERE id = $1 AND (disk_full_at IS NULL) = $3",
        id,
        since,
        is_full
    )?;
    Ok(changed == 1)
}

pub(crate) async fn announce(tx: &mut Tx, runner: Announced<'_>) -> Result<(), StoreError> {
    let now = tx.lease_time().await?;
    execute!(
        &mut tx.conn(),
        "INSERT INTO runner (id, name, incarnation, capacity, version, last_seen_at, labels, takes, protocol)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, incarnation = excluded.incarnation,
             capacity = excluded.capacity, version = excluded.version, last_seen_at = excluded.last_seen_at,
             labels = excluded.labels, takes = excluded.takes, protocol = excluded.protocol, draining_at = NULL,
             hindrance = NULL",
        runner.id,
        runner.name,
        runner.incarnation,
        runner.capacity,
        runner.version,
        now,
        JsonText(runner.labels),
        runner.takes,
        i64::from(runner.protocol)
    )?;
    Ok(())
}

/// Notes that this life of the runner was heard of; false when another life has taken over, none was announced, or the
/// runner was revoked.
pub(crate) async fn seen(tx: &mut Tx, id: &str, incarnation: &str) -> Result<bool, StoreError> {
    let now = tx.lease_time().await?;
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE runner SET last_seen_at = $3 WHERE id = $1 AND incarnation = $2 AND revoked_at IS NULL",
        id,
        incarnation,
        now
    )? == 1)
}

/// Notes what keeps the runner from taking work, or that nothing does any more.
pub(crate) async fn hinder(
    tx: &mut Tx,
    id: &str,
    incarnation: &str,
    hindrance: Option<&str>,
) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE runner SET hindrance = $3 WHERE id = $1 AND incarnation = $2",
        id,
        incarnation,
        hindrance
    )?;
    Ok(())
}

/// Notes that the runner takes no new work from now on.
pub(crate) async fn drains(tx: &mut Tx, id: &str, incarnation: &str) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE runner SET draining_at = COALESCE(draining_at, $3) WHERE id = $1 AND incarnation = $2",
        id,
        incarnation,
        now
    )?;
    Ok(())
}

pub(crate) async fn revoke(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(&mut tx.conn(), "UPDATE runner SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL", id, now)?;
    Ok(())
}

/// Lets the runner take nothing new from now on, as `by` says; false when somebody has said so before.
pub(crate) async fn drain(tx: &mut Tx, id: &str, by: &str) -> Result<bool, StoreError> {
    let now = tx.now();
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE runner SET drained_by = $2, drained_at = $3 WHERE id = $1 AND drained_by IS NULL",
        id,
        by,
        now
    )?;
    Ok(changed == 1)
}

/// Lets the runner take jobs again; false when nobody had said otherwise.
pub(crate) async fn undrain(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE runner SET drained_by = NULL, drained_at = NULL WHERE id = $1 AND drained_by IS NOT NULL",
        id
    )?;
    Ok(changed == 1)
}
