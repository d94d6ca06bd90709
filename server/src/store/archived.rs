//! Logs on their way from the database to the archive, and there: which go next, and where their chunks are.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::ids::StepId;

/// A chunk without its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(crate) struct Piece {
    pub(crate) seq: i64,
    /// How much it is, packed.
    pub(crate) bytes: i64,
    is_away: i64,
}

impl Piece {
    /// Whether its lines are in the archive alone.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away != 0
    }
}

/// Steps whose log is joined and not yet in the archive as a whole, those that ended first, at most `limit`.
pub(crate) async fn due(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<StepId>, StoreError> {
    let found: Vec<(StepId,)> = rows!(
        conn,
        "SELECT id FROM step WHERE log_state IN ('compact', 'leaving') AND finished_at IS NOT NULL
           AND log_removed_at IS NULL ORDER BY finished_at LIMIT $1",
        limit
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// The chunks of a step's log behind number `after`, in order, at most `limit`.
pub(crate) async fn pieces(
    conn: &mut Conn<'_>,
    step: &StepId,
    after: i64,
    limit: i64,
) -> Result<Vec<Piece>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT seq, CAST(COALESCE(object_bytes, LENGTH(data)) AS BIGINT) AS bytes,
                CAST(CASE WHEN object_at IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_away
         FROM log_chunk WHERE step_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        step,
        after,
        limit
    )?)
}

/// What the database holds of a chunk; none when it is away, or gone.
pub(crate) async fn data(conn: &mut Conn<'_>, step: &StepId, seq: i64) -> Result<Option<Vec<u8>>, StoreError> {
    let found: Option<(Vec<u8>,)> =
        row!(conn, "SELECT data FROM log_chunk WHERE step_id = $1 AND seq = $2 AND object_at IS NULL", step, seq)?;
    Ok(found.map(|(data,)| data))
}

/// Notes that there may be an object of the step's log from now on.
pub(crate) async fn leaves(tx: &mut Tx, step: &StepId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE step SET log_state = 'leaving' WHERE id = $1 AND log_state = 'compact'", step)?;
    Ok(())
}

/// Notes that a chunk stands in the step's object at byte `at`, and keeps its lines no more.
pub(crate) async fn is_away(tx: &mut Tx, step: &StepId, seq: i64, at: i64) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE log_chunk SET object_at = $3, object_bytes = LENGTH(data), data = $4
         WHERE step_id = $1 AND seq = $2 AND object_at IS NULL",
        step,
        seq,
        at,
        &b""[..]
    )?;
    Ok(())
}

/// Notes that the whole log is in the archive.
pub(crate) async fn has_left(tx: &mut Tx, step: &StepId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE step SET log_state = 'archived' WHERE id = $1 AND log_state = 'leaving'", step)?;
    Ok(())
}

/// Whether there may be an object of the step's log.
pub(crate) async fn may_have_object(conn: &mut Conn<'_>, step: &StepId) -> Result<bool, StoreError> {
    let found: Option<(i64,)> = row!(
        conn,
        "SELECT CAST(COUNT(*) AS BIGINT) FROM step s WHERE s.id = $1 AND (s.log_state = 'leaving'
             OR s.log_state = 'archived' AND EXISTS (SELECT 1 FROM log_chunk c WHERE c.step_id = s.id))",
        step
    )?;
    Ok(found.is_some_and(|(count,)| count > 0))
}
