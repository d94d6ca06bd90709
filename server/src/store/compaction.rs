//! The chunks of a log that was written line by line, joined into few large ones once its step has ended.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, logs, row, rows};
use crate::ids::StepId;

/// A joined chunk is compressed harder than those that were written in a hurry.
const COMPRESSION_LEVEL: i32 = 9;

/// What is known of a chunk without its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(crate) struct ChunkSize {
    pub(crate) seq: i64,
    pub(crate) first_line: i64,
    pub(crate) line_count: i64,
    pub(crate) bytes: i64,
}

/// Steps that ended and whose log was not joined yet, those that ended first, at most `limit`.
pub(crate) async fn loose(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<StepId>, StoreError> {
    let found: Vec<(StepId,)> = rows!(
        conn,
        "SELECT id FROM step WHERE log_state = 'loose' AND finished_at IS NOT NULL ORDER BY finished_at LIMIT $1",
        limit
    )?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// The chunks of a step's log behind number `after`, in order, at most `limit`.
pub(crate) async fn sizes(
    conn: &mut Conn<'_>,
    step: &StepId,
    after: i64,
    limit: i64,
) -> Result<Vec<ChunkSize>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT seq, first_line, line_count, CAST(LENGTH(data) AS BIGINT) AS bytes FROM log_chunk
         WHERE step_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        step,
        after,
        limit
    )?)
}

/// The lines of neighbouring chunks, packed as one.
pub(crate) async fn joined(conn: &mut Conn<'_>, step: &StepId, chunks: &[ChunkSize]) -> Result<Vec<u8>, StoreError> {
    let mut lines = Vec::new();
    for chunk in chunks {
        let found: Option<(Vec<u8>,)> =
            row!(conn, "SELECT data FROM log_chunk WHERE step_id = $1 AND seq = $2", step, chunk.seq)?;
        let (data,) = found.ok_or_else(|| StoreError::missing("log chunk", chunk.seq))?;
        let unpacked =
            logs::unpack(&data).map_err(|problem| StoreError::corrupt("log chunk of step", step, problem))?;
        lines.extend(unpacked);
    }
    let packing = move || logs::pack_at(COMPRESSION_LEVEL, &lines);
    let packed = tokio::task::spawn_blocking(packing).await.map_err(|_| StoreError::Closed)?;
    packed.map_err(|problem| StoreError::corrupt("log chunk of step", step, problem))
}

/// Puts one chunk in the place of neighbours, under the number of the last: where the log ends stays as it was. Unless all
/// of them are still there, nothing is changed.
pub(crate) async fn replace(tx: &mut Tx, step: &StepId, chunks: &[ChunkSize], packed: &[u8]) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else { return Ok(()) };
    let count: i64 = chunks.iter().map(|chunk| chunk.line_count).sum();
    let removed = execute!(
        &mut tx.conn(),
        "DELETE FROM log_chunk WHERE step_id = $1 AND seq >= $2 AND seq < $3
           AND EXISTS (SELECT 1 FROM step WHERE id = $1 AND log_state = 'loose')",
        step,
        first.seq,
        last.seq
    )?;
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE log_chunk SET first_line = $3, line_count = $4, data = $5
         WHERE step_id = $1 AND seq = $2 AND line_count = $6",
        step,
        last.seq,
        first.first_line,
        count,
        packed,
        last.line_count
    )?;
    if usize::try_from(removed + changed).is_ok_and(|rows| rows == chunks.len()) {
        return Ok(());
    }
    Err(StoreError::Conflict { what: "log of step", which: step.to_string() })
}

/// Notes that nothing is left to join.
pub(crate) async fn is_compact(tx: &mut Tx, step: &StepId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE step SET log_state = 'compact' WHERE id = $1 AND log_state = 'loose'", step)?;
    Ok(())
}
