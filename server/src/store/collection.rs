//! Which server collects now: one of all that share the database.

use super::{Conn, StoreError, Tx, execute, row};

/// The one collection that there is.
const NAME: &str = "server";

/// Takes the collection, or keeps it, until `until` (unix milliseconds); false while another server has it. One that would
/// have it for longer took it before the clock was set back.
pub(crate) async fn take(tx: &mut Tx, holder: &str, until: i64) -> Result<bool, StoreError> {
    let now = tx.now();
    Ok(execute!(
        &mut tx.conn(),
        "INSERT INTO collection (name, held_by, held_until) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET held_by = excluded.held_by, held_until = excluded.held_until
         WHERE collection.held_by = excluded.held_by OR collection.held_until < $4
            OR collection.held_until > excluded.held_until",
        NAME,
        holder,
        until,
        now
    )? == 1)
}

/// When the last whole round ended, in unix milliseconds. The first start of all counts as the end of one: there is
/// nothing old yet.
pub(crate) async fn begin(tx: &mut Tx) -> Result<i64, StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO collection (name, held_by, held_until, finished_at) VALUES ($1, '', 0, $2)
         ON CONFLICT (name) DO UPDATE SET finished_at = COALESCE(collection.finished_at, excluded.finished_at)",
        NAME,
        now
    )?;
    Ok(finished_at(&mut tx.conn()).await?.unwrap_or(now))
}

/// Gives the collection back, and notes that a whole round was made.
pub(crate) async fn finish(tx: &mut Tx, holder: &str) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE collection SET held_until = 0, finished_at = $3 WHERE name = $1 AND held_by = $2",
        NAME,
        holder,
        now
    )?;
    Ok(())
}

/// Gives the collection back.
pub(crate) async fn give_back(tx: &mut Tx, holder: &str) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE collection SET held_until = 0 WHERE name = $1 AND held_by = $2", NAME, holder)?;
    Ok(())
}

/// When the last whole round ended, in unix milliseconds.
pub(crate) async fn finished_at(conn: &mut Conn<'_>) -> Result<Option<i64>, StoreError> {
    let found: Option<(Option<i64>,)> = row!(conn, "SELECT finished_at FROM collection WHERE name = $1", NAME)?;
    Ok(found.and_then(|(at,)| at))
}
