//! The logs of steps: compressed runs of lines.

use slipway_runner::coordinator::{LogChunk, LogLine, LogPosition};
use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row, rows};
use crate::ids::StepId;

/// A line with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedLine {
    /// Its number within the step, from 1.
    pub number: i64,
    /// The line.
    pub line: LogLine,
}

/// How hard log chunks are compressed: the level that costs next to nothing.
const COMPRESSION_LEVEL: i32 = 1;
/// How many chunks a read fetches at once.
const CHUNKS_AT_ONCE: i64 = 16;

#[derive(FromRow)]
struct ChunkRow {
    seq: i64,
    first_line: i64,
    line_count: i64,
    data: Vec<u8>,
}

/// The lines of a step from number `from` on (from 1), at most `limit`. It costs the same anywhere in the log.
///
/// Chunks are found by their lines, and each time by one statement: they may be joined meanwhile.
///
/// # Errors
/// When the database fails, or a chunk cannot be unpacked.
pub async fn lines(
    conn: &mut Conn<'_>,
    step: &StepId,
    from: i64,
    limit: usize,
) -> Result<Vec<NumberedLine>, StoreError> {
    let mut next = from;
    let mut found = Vec::new();
    while found.len() < limit {
        let chunks: Vec<ChunkRow> = rows!(
            conn,
            "SELECT seq, first_line, line_count, data FROM log_chunk
             WHERE step_id = $1 AND line_count > 0 AND first_line >= COALESCE(
                 (SELECT MAX(first_line) FROM log_chunk WHERE step_id = $1 AND first_line <= $2 AND line_count > 0), 0)
             ORDER BY first_line LIMIT $3",
            step,
            next,
            CHUNKS_AT_ONCE
        )?;
        let Some(end) = chunks.last().map(|last| last.first_line + last.line_count).filter(|end| *end > next) else {
            break;
        };
        for chunk in &chunks {
            let unpacked =
                unpack(&chunk.data).map_err(|problem| StoreError::corrupt("log chunk of step", step, problem))?;
            let numbered = (chunk.first_line..).zip(unpacked).map(|(number, line)| NumberedLine { number, line });
            let room = limit - found.len();
            found.extend(numbered.filter(|line| line.number >= next).take(room));
        }
        next = end;
    }
    Ok(found)
}

/// Where a step's log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct LogEnd {
    /// The number of the next chunk.
    pub next_seq: i64,
    /// The number of the next line, from 1: one more than there are lines.
    pub next_line: i64,
}

/// Where a step's log ends by now.
///
/// # Errors
/// When the database fails.
pub async fn end(conn: &mut Conn<'_>, step: &StepId) -> Result<LogEnd, StoreError> {
    let last: Option<LogEnd> = row!(
        conn,
        "SELECT seq + 1 AS next_seq, first_line + line_count AS next_line
         FROM log_chunk WHERE step_id = $1 ORDER BY seq DESC LIMIT 1",
        step
    )?;
    Ok(last.unwrap_or(LogEnd { next_seq: 0, next_line: 1 }))
}

/// Where a runner's new life goes on with a step's log.
///
/// # Errors
/// When the database fails, or a chunk cannot be unpacked.
pub(crate) async fn position(conn: &mut Conn<'_>, step: &StepId) -> Result<LogPosition, StoreError> {
    let mut position = LogPosition::default();
    loop {
        let chunks: Vec<ChunkRow> = rows!(
            conn,
            "SELECT seq, first_line, line_count, data FROM log_chunk
             WHERE step_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
            step,
            position.next_seq,
            CHUNKS_AT_ONCE
        )?;
        if chunks.is_empty() {
            return Ok(position);
        }
        for ChunkRow { seq, first_line, data, .. } in chunks {
            let lines = unpack(&data).map_err(|problem| StoreError::corrupt("log chunk of step", step, problem))?;
            position.count(&LogChunk { seq, first_line, lines });
        }
    }
}

/// Stores a packed chunk; one whose number is stored already is dropped. Tells whether it was new.
pub(crate) async fn insert(tx: &mut Tx, step: &StepId, chunk: &LogChunk, packed: &[u8]) -> Result<bool, StoreError> {
    let count = i64::try_from(chunk.lines.len()).unwrap_or(i64::MAX);
    let inserted = execute!(
        &mut tx.conn(),
        "INSERT INTO log_chunk (step_id, seq, first_line, line_count, data) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (step_id, seq) DO NOTHING",
        step,
        chunk.seq,
        chunk.first_line,
        count,
        packed
    )?;
    Ok(inserted == 1)
}

/// A chunk's lines as the database keeps them.
pub(crate) fn pack(lines: &[LogLine]) -> std::io::Result<Vec<u8>> {
    pack_at(COMPRESSION_LEVEL, lines)
}

pub(super) fn pack_at(level: i32, lines: &[LogLine]) -> std::io::Result<Vec<u8>> {
    let text = serde_json::to_vec(lines)?;
    zstd::bulk::compress(&text, level)
}

pub(super) fn unpack(packed: &[u8]) -> std::io::Result<Vec<LogLine>> {
    let text = zstd::stream::decode_all(packed)?;
    Ok(serde_json::from_slice(&text)?)
}
