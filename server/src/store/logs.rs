//! The logs of steps: compressed runs of lines.

use std::{collections::HashMap, ops::Range};

use slipway_runner::coordinator::{LogChunk, LogLine, LogPosition};
use sqlx::FromRow;

use super::{Archive, Conn, Store, StoreError, Tx, execute, row, rows};
use crate::ids::{JobId, StepId};

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
    first_line: i64,
    line_count: i64,
    data: Vec<u8>,
    object_at: Option<i64>,
    object_bytes: Option<i64>,
}

impl ChunkRow {
    /// Where it stands in the step's object, if it is there.
    fn part(&self) -> Option<Range<u64>> {
        let begin = u64::try_from(self.object_at?).ok()?;
        Some(begin..begin + u64::try_from(self.object_bytes?).ok()?)
    }
}

/// Neighbouring lines of a step's log, packed.
#[derive(Debug, Clone)]
pub struct Run {
    step: StepId,
    first_line: i64,
    line_count: i64,
    data: Vec<u8>,
}

impl Run {
    /// The number of its first line.
    #[must_use]
    pub fn begin(&self) -> i64 {
        self.first_line
    }

    /// One more than the number of its last line.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.first_line + self.line_count
    }

    /// Its lines.
    ///
    /// # Errors
    /// When they cannot be unpacked.
    pub fn lines(&self) -> Result<impl Iterator<Item = NumberedLine> + use<>, StoreError> {
        let lines =
            unpack(&self.data).map_err(|problem| StoreError::corrupt("log chunk of step", &self.step, problem))?;
        Ok((self.first_line..).zip(lines).map(|(number, line)| NumberedLine { number, line }))
    }
}

/// Some runs of a step's lines, from the one on that holds line `from` (from 1), from the database or the archive. It
/// costs the same anywhere in the log. No connection is held while the archive is asked; the caller's own would be.
///
/// They are found by their lines, and by one statement: they may be joined or moved meanwhile.
///
/// # Errors
/// When the database or the archive fails.
pub async fn runs(store: &Store, step: &StepId, from: i64) -> Result<Vec<Run>, StoreError> {
    let mut reader = store.read().await?;
    let mut chunks: Vec<ChunkRow> = rows!(
        &mut reader.conn(),
        "SELECT first_line, line_count, data, object_at, object_bytes FROM log_chunk
         WHERE step_id = $1 AND line_count > 0 AND first_line >= COALESCE(
             (SELECT MAX(first_line) FROM log_chunk WHERE step_id = $1 AND first_line <= $2 AND line_count > 0), 0)
         ORDER BY first_line LIMIT $3",
        step,
        from,
        CHUNKS_AT_ONCE
    )?;
    drop(reader);
    bring_back(store.archive(), step, &mut chunks).await?;
    let run = |ChunkRow { first_line, line_count, data, .. }| Run { step: step.clone(), first_line, line_count, data };
    Ok(chunks.into_iter().map(run).collect())
}

/// Fills in what the archive holds of the chunks.
async fn bring_back(archive: &Archive, step: &StepId, chunks: &mut [ChunkRow]) -> Result<(), StoreError> {
    let parts: Vec<Range<u64>> = chunks.iter().filter_map(ChunkRow::part).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let found = archive.read(step, &parts).await?;
    for (chunk, data) in chunks.iter_mut().filter(|chunk| chunk.part().is_some()).zip(found) {
        chunk.data = data.to_vec();
    }
    Ok(())
}

/// The lines of a step from number `from` on (from 1), at most `limit`. As [`runs`], it is no call for whoever holds a
/// connection.
///
/// # Errors
/// When the database or the archive fails, or lines cannot be unpacked.
pub async fn lines(store: &Store, step: &StepId, from: i64, limit: usize) -> Result<Vec<NumberedLine>, StoreError> {
    let mut next = from;
    let mut found = Vec::new();
    while found.len() < limit {
        let runs = runs(store, step, next).await?;
        let Some(end) = runs.last().map(Run::end).filter(|end| *end > next) else { break };
        for run in &runs {
            let room = limit - found.len();
            if room == 0 {
                break;
            }
            found.extend(run.lines()?.filter(|line| line.number >= next).take(room));
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

/// How many lines the log of each step of a job has, by attempt and position.
///
/// # Errors
/// When the database fails.
pub async fn counts(conn: &mut Conn<'_>, job: &JobId) -> Result<HashMap<(i64, i64), i64>, StoreError> {
    let found: Vec<(i64, i64, Option<i64>)> = rows!(
        conn,
        "SELECT s.attempt, s.position, (SELECT c.first_line + c.line_count - 1 FROM log_chunk c
             WHERE c.step_id = s.id ORDER BY c.seq DESC LIMIT 1) AS lines
         FROM step s WHERE s.job_id = $1",
        job
    )?;
    Ok(found.into_iter().map(|(attempt, position, lines)| ((attempt, position), lines.unwrap_or(0))).collect())
}

/// Where a runner's new life goes on with a step's log.
///
/// # Errors
/// When the database fails, or a chunk cannot be unpacked.
pub(crate) async fn position(conn: &mut Conn<'_>, step: &StepId) -> Result<LogPosition, StoreError> {
    let mut position = LogPosition::default();
    loop {
        // The step has not ended, so that all of them are here.
        let chunks: Vec<(i64, i64, Vec<u8>)> = rows!(
            conn,
            "SELECT seq, first_line, data FROM log_chunk WHERE step_id = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
            step,
            position.next_seq,
            CHUNKS_AT_ONCE
        )?;
        if chunks.is_empty() {
            return Ok(position);
        }
        for (seq, first_line, data) in chunks {
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
