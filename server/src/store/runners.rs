//! Runners as they announced themselves.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};

/// A runner.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Runner {
    /// Its identity, stable over restarts.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// Its present life.
    pub incarnation: String,
    /// How many jobs it takes at once.
    pub capacity: i64,
    /// Its Slipway version.
    pub version: String,
    /// When it was last heard of, in unix milliseconds.
    pub last_seen_at: i64,
}

/// Every runner, by name.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<Runner>, StoreError> {
    Ok(rows!(conn, "SELECT id, name, incarnation, capacity, version, last_seen_at FROM runner ORDER BY name, id")?)
}

/// The runner with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &str) -> Result<Option<Runner>, StoreError> {
    Ok(row!(conn, "SELECT id, name, incarnation, capacity, version, last_seen_at FROM runner WHERE id = $1", id)?)
}

pub(crate) async fn upsert(tx: &mut Tx, runner: &Runner) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO runner (id, name, incarnation, capacity, version, last_seen_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, incarnation = excluded.incarnation,
             capacity = excluded.capacity, version = excluded.version, last_seen_at = excluded.last_seen_at",
        &runner.id,
        &runner.name,
        &runner.incarnation,
        runner.capacity,
        &runner.version,
        runner.last_seen_at
    )?;
    Ok(())
}

/// Notes that this life of the runner was heard of; false when another life has taken over, or none was announced.
pub(crate) async fn seen(tx: &mut Tx, id: &str, incarnation: &str) -> Result<bool, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "UPDATE runner SET last_seen_at = $3 WHERE id = $1 AND incarnation = $2",
        id,
        incarnation,
        now
    )? == 1)
}
