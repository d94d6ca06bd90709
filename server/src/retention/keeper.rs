//! Collecting by itself: on a slow timer, by one of all servers that share a database.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    compaction::compact,
    limits::Limits,
    offload::offload,
    round::{Going, Round},
    turn::Turn,
    watch::Watch,
};
use crate::store::{Store, StoreError, collection};

/// How often finished logs are joined.
const LOOK: Duration = Duration::from_secs(60);
/// How long after a round the next one is due.
const ROUND_MS: i64 = 60 * 60 * 1_000;

/// Joins logs, moves them to the archive, and collects until it is told to stop. Killed anywhere, the next one goes on.
pub async fn run_keeper(store: Store, limits: Limits, watch: Arc<Watch>, stop: CancellationToken) {
    let mut round = 0_u64;
    loop {
        let pause = LOOK + jitter(round);
        round += 1;
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        match stop.run_until_cancelled(Box::pin(keep(&store, limits, &watch))).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::error!(%error, "cannot collect what is old; trying again"),
        }
    }
}

/// Looks once: joins logs, moves them to the archive and, where a round is due and the clock is believed, collects. Nothing
/// while somebody else is at it.
///
/// # Errors
/// When the database fails.
pub async fn keep(store: &Store, limits: Limits, watch: &Watch) -> Result<(), StoreError> {
    let Some(mut turn) = Turn::take(store).await? else { return Ok(()) };
    compact(store, &mut turn).await?;
    if let Err(error) = offload(store, &mut turn).await {
        tracing::warn!(%error, "finished logs stay in the database for now");
    }
    let now = store.clock().now();
    let last = collection::finished_at(&mut store.read().await?.conn()).await?;
    let is_due = last.is_none_or(|last| now - last >= ROUND_MS || last > now);
    if is_due && watch.doubt().is_none() {
        let round = Round::choose(store, limits, now).await?;
        round.collect(store, &mut turn).await?;
        if !round.going().is_empty() {
            tracing::info!(kinds = round.going().len(), "collected what was old");
        }
        return turn.finish().await;
    }
    turn.give_back().await
}

/// What became of a request to collect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// This was removed.
    Done(Vec<Going>),
    /// Another server, or this one by itself, is collecting.
    UnderWay,
}

/// Collects this round now, unless somebody else is at it.
///
/// # Errors
/// When the database fails.
pub async fn collect_now(store: &Store, round: &Round) -> Result<Collected, StoreError> {
    let Some(mut turn) = Turn::take(store).await? else { return Ok(Collected::UnderWay) };
    round.collect(store, &mut turn).await?;
    turn.finish().await?;
    Ok(Collected::Done(round.going().to_vec()))
}

/// Joins the chunks of every finished log now, unless somebody else is at it; tells how many chunks there are fewer.
///
/// # Errors
/// When the database fails.
pub async fn compact_now(store: &Store) -> Result<usize, StoreError> {
    let Some(mut turn) = Turn::take(store).await? else { return Ok(0) };
    let saved = compact(store, &mut turn).await?;
    turn.give_back().await?;
    Ok(saved)
}

/// Joins the chunks of every finished log and moves it to the archive now, unless somebody else is at it.
///
/// # Errors
/// When the archive does not take one, or the database fails. What has not been moved stays where it is.
pub async fn archive_now(store: &Store) -> Result<(), StoreError> {
    let Some(mut turn) = Turn::take(store).await? else { return Ok(()) };
    compact(store, &mut turn).await?;
    let moved = offload(store, &mut turn).await;
    turn.give_back().await?;
    moved
}

/// Up to 10 s, different each time: several servers must not look at the same moment for ever.
fn jitter(round: u64) -> Duration {
    Duration::from_millis((u64::from(std::process::id()) + round * 3_701) % 10_000)
}
