//! Moving finished logs to the archive, where there is one.
//!
//! A log is written there whole, from chunks that do not change any more, before the first of them is taken out of the
//! database: killed in between, the same is written again. From the first chunk on that is away, the object is known to
//! be whole, and only the rest is taken out.

use super::turn::Turn;
use crate::{
    ids::StepId,
    store::{
        Archive, Store, StoreError,
        archived::{self, Piece},
    },
};

/// How many steps are taken at once.
const STEPS: i64 = 100;
/// How many chunks are looked at with one statement.
const LOOKED_AT: i64 = 500;
/// How many chunks are taken out with one commit.
const PORTION: usize = 50;

/// Moves every finished log that has not been.
///
/// # Errors
/// When the archive does not take one, or the database fails. What has not been moved stays where it is.
pub(super) async fn offload(store: &Store, turn: &mut Turn) -> Result<(), StoreError> {
    let archive = store.archive();
    if !archive.is_configured() {
        return Ok(());
    }
    loop {
        let steps = archived::due(&mut store.read().await?.conn(), STEPS).await?;
        if steps.is_empty() {
            return Ok(());
        }
        for step in &steps {
            move_log(store, archive, turn, step).await?;
        }
    }
}

async fn move_log(store: &Store, archive: &Archive, turn: &mut Turn, step: &StepId) -> Result<(), StoreError> {
    let pieces = pieces(store, step).await?;
    // 1. The object, unless it is known to be whole.
    if !pieces.iter().any(Piece::is_away) {
        let mut tx = store.write().await?;
        archived::leaves(&mut tx, step).await?;
        tx.commit().await?;
        if !pieces.is_empty() {
            write(store, archive, turn, step, &pieces).await?;
        }
    }
    // 2. The chunks leave the database, each in one statement with the place where it is found from then on.
    let mut at = 0;
    let placed: Vec<(i64, i64)> = pieces
        .iter()
        .map(|piece| {
            let begins = at;
            at += piece.bytes;
            (piece.seq, begins)
        })
        .collect();
    for portion in placed.chunks(PORTION) {
        turn.step(async {
            let mut tx = store.write().await?;
            for (seq, at) in portion {
                archived::is_away(&mut tx, step, *seq, *at).await?;
            }
            tx.commit().await
        })
        .await?;
    }
    turn.step(async {
        let mut tx = store.write().await?;
        archived::has_left(&mut tx, step).await?;
        tx.commit().await
    })
    .await
}

async fn pieces(store: &Store, step: &StepId) -> Result<Vec<Piece>, StoreError> {
    let mut all: Vec<Piece> = Vec::new();
    loop {
        let after = all.last().map_or(-1, |last| last.seq);
        let found = archived::pieces(&mut store.read().await?.conn(), step, after, LOOKED_AT).await?;
        if found.is_empty() {
            return Ok(all);
        }
        all.extend(found);
    }
}

/// Writes the whole log. Should another server have begun to take its chunks out meanwhile, what it wrote is left alone.
async fn write(
    store: &Store,
    archive: &Archive,
    turn: &mut Turn,
    step: &StepId,
    pieces: &[Piece],
) -> Result<(), StoreError> {
    let mut writing = archive.begin(step)?;
    for piece in pieces {
        turn.step(async {
            let found = archived::data(&mut store.read().await?.conn(), step, piece.seq).await?;
            let data = found.ok_or_else(|| StoreError::missing("log chunk", piece.seq))?;
            writing.add(data).await
        })
        .await?;
    }
    writing.finish().await
}
