//! What runners report of logs: numbered chunks, each stored once.

use slipway_runner::coordinator::{LeaseKey, LogChunk};

use super::{
    ServerCoordinator,
    fence::{ReportError, held},
    step_reports::step_at,
};
use crate::store::{
    StoreError,
    logs::{self, insert, pack},
};

/// The most lines and bytes of one chunk.
const MOST_LINES: usize = 20_000;
const MOST_BYTES: usize = 16 * 1_024 * 1_024;

/// Stores a chunk. One that is stored already is dropped; one that leaves a gap is refused, so that a log that was
/// acknowledged is complete.
pub(super) async fn append(
    server: &ServerCoordinator,
    lease: &LeaseKey,
    index: u32,
    chunk: LogChunk,
) -> Result<(), ReportError> {
    let bytes: usize = chunk.lines.iter().map(|line| line.text.len()).sum();
    if chunk.lines.len() > MOST_LINES || bytes > MOST_BYTES {
        return Err(ReportError::Refused(format!("a log chunk has at most {MOST_LINES} lines and {MOST_BYTES} bytes")));
    }
    let (chunk, packed) = pack_aside(chunk, bytes).await?;
    let (mut tx, job) = held(server, lease).await?;
    let step = step_at(&mut tx, &job, index).await?;
    let end = logs::end(&mut tx.conn(), &step.id).await?;
    if chunk.seq < end.next_seq {
        return Ok(());
    }
    if step.state.is_final() {
        return Err(ReportError::Refused(format!("step {index} has ended: its log is closed")));
    }
    if (chunk.seq, chunk.first_line) != (end.next_seq, end.next_line) {
        return Err(ReportError::Refused(format!(
            "the log of step {index} goes on with chunk {} at line {}, not with chunk {} at line {}",
            end.next_seq, end.next_line, chunk.seq, chunk.first_line
        )));
    }
    insert(&mut tx, &step.id, &chunk, &packed).await?;
    tx.ring_log(step.id);
    tx.commit().await?;
    Ok(())
}

/// Chunks of up to this many bytes are packed at once, larger ones off the async threads.
const INLINE_PACKING: usize = 64 * 1_024;

async fn pack_aside(chunk: LogChunk, bytes: usize) -> Result<(LogChunk, Vec<u8>), StoreError> {
    let packing = move || {
        let packed = pack(&chunk.lines).map_err(|problem| StoreError::corrupt("log chunk", chunk.seq, problem))?;
        Ok((chunk, packed))
    };
    if bytes <= INLINE_PACKING {
        return packing();
    }
    tokio::task::spawn_blocking(packing).await.map_err(|_| StoreError::Closed)?
}
