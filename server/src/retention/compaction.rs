//! Joining the chunks of logs whose steps have ended. Lines and their numbers stay as they are, so that whoever reads
//! by them notices nothing.

use super::turn::Turn;
use crate::{
    ids::StepId,
    store::{
        Store, StoreError,
        compaction::{self, ChunkSize},
    },
};

/// How much a joined chunk may hold: enough to compress well, little enough that the line in its middle is soon read.
const MOST_LINES: i64 = 4_000;
const MOST_BYTES: i64 = 128 * 1_024;
/// How many chunks are looked at with one statement, and so joined at most.
const LOOKED_AT: i64 = 500;
/// How many steps are taken at once.
const STEPS: i64 = 200;

/// Joins the chunks of every log that was not yet; tells how many chunks there are fewer.
///
/// # Errors
/// When the database fails.
pub(super) async fn compact(store: &Store, turn: &mut Turn) -> Result<usize, StoreError> {
    let mut saved = 0;
    loop {
        let steps = compaction::loose(&mut store.read().await?.conn(), STEPS).await?;
        if steps.is_empty() {
            return Ok(saved);
        }
        for step in &steps {
            saved += compact_log(store, turn, step).await?;
        }
        turn.step(async {
            let mut tx = store.write().await?;
            for step in &steps {
                compaction::is_compact(&mut tx, step).await?;
            }
            tx.commit().await
        })
        .await?;
    }
}

async fn compact_log(store: &Store, turn: &mut Turn, step: &StepId) -> Result<usize, StoreError> {
    let (mut saved, mut after) = (0, -1);
    loop {
        let chunks = compaction::sizes(&mut store.read().await?.conn(), step, after, LOOKED_AT).await?;
        let Some(last) = chunks.last() else { return Ok(saved) };
        after = last.seq;
        for group in groups(&chunks).filter(|group| group.len() > 1) {
            turn.step(async {
                let packed = compaction::joined(&mut store.read().await?.conn(), step, group).await?;
                let mut tx = store.write().await?;
                compaction::replace(&mut tx, step, group, &packed).await?;
                tx.commit().await
            })
            .await?;
            saved += group.len() - 1;
        }
    }
}

/// Neighbours that fit into one chunk.
fn groups(chunks: &[ChunkSize]) -> impl Iterator<Item = &[ChunkSize]> {
    let (mut lines, mut bytes) = (0, 0);
    chunks.chunk_by(move |before, next| {
        if lines == 0 {
            (lines, bytes) = (before.line_count, before.bytes);
        }
        (lines, bytes) = (lines + next.line_count, bytes + next.bytes);
        let fits =
            lines <= MOST_LINES && bytes <= MOST_BYTES && next.first_line == before.first_line + before.line_count;
        if !fits {
            (lines, bytes) = (0, 0);
        }
        fits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(sizes: &[(i64, i64)]) -> Vec<ChunkSize> {
        let mut line = 1;
        (0..)
            .zip(sizes)
            .map(|(seq, (line_count, bytes))| {
                let first_line = line;
                line += line_count;
                ChunkSize { seq, first_line, line_count: *line_count, bytes: *bytes }
            })
            .collect()
    }

    fn lengths(chunks: &[ChunkSize]) -> Vec<usize> {
        groups(chunks).map(<[ChunkSize]>::len).collect()
    }

    #[test]
    fn neighbours_are_joined_up_to_the_limits() {
        assert_eq!(lengths(&chunks(&[(1, 100), (1, 100), (1, 100)])), [3]);
        assert_eq!(lengths(&chunks(&[(3_000, 1), (1_000, 1), (1, 1), (1, 1)])), [2, 2]);
        assert_eq!(lengths(&chunks(&[(1, MOST_BYTES), (1, 1), (1, MOST_BYTES)])), [1, 1, 1]);
        assert_eq!(lengths(&[]), Vec::<usize>::new());
    }

    #[test]
    fn nothing_is_joined_across_a_gap() {
        let mut broken = chunks(&[(1, 1), (1, 1), (1, 1)]);
        broken[2].first_line += 5;
        assert_eq!(lengths(&broken), [2, 1]);
    }
}
