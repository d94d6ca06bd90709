//! Removing what repositories left that were let go.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::ending::end_all;
use crate::{
    ids::RepositoryId,
    retention::{Turn, remove_logs},
    store::{Store, StoreError, disconnection, retention as stored},
};

/// The longest between two looks, where nobody rings: a server may have been killed in the middle.
const SWEEP: Duration = Duration::from_secs(30);
/// Between two looks while something is left.
const SOON: Duration = Duration::from_secs(1);
/// How long forges have to be told how the last builds ended; at least, and at most, in milliseconds.
const TELLING_MS: (i64, i64) = (2_000, 120_000);
/// How many rows go with one commit, and how many jobs, which have steps and logs.
const PORTION: i64 = 100;
const JOBS: i64 = 20;

/// Removes until it is told to stop. Killed anywhere, the next one goes on.
pub async fn run_remover(store: Store, stop: CancellationToken) {
    let mut bell = store.bells().queue();
    loop {
        bell.borrow_and_update();
        let pause = match stop.run_until_cancelled(Box::pin(remove_departed(&store))).await {
            None => return,
            Some(Ok(true)) => SWEEP,
            Some(Ok(false)) => SOON,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot remove what disconnected repositories left; trying again");
                SWEEP
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SOON) => {}
        }
        if pause == SWEEP {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tokio::time::timeout(SWEEP, bell.changed()) => {}
            }
        }
    }
}

/// Looks once at every repository that was let go; whether nothing of any is left.
///
/// # Errors
/// When the database fails, or the archive of logs.
pub async fn remove_departed(store: &Store) -> Result<bool, StoreError> {
    let departed = disconnection::departed(&mut store.read().await?.conn()).await?;
    // Removing one may take long, and nothing of the others goes on meanwhile.
    for (repository, _) in &departed {
        end_all(store, repository).await?;
    }
    let mut failure = None;
    let mut all_gone = true;
    for (repository, since) in departed {
        match go_on(store, &repository, since).await {
            Ok(is_gone) => all_gone &= is_gone,
            // One whose logs cannot be removed now holds up no other.
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(all_gone), Err)
}

/// Removes one that no forge is yet to hear of; whether it is gone.
async fn go_on(store: &Store, repository: &RepositoryId, since: i64) -> Result<bool, StoreError> {
    if is_still_told(store, repository, since).await? {
        return Ok(false);
    }
    remove(store, repository).await?;
    Ok(true)
}

/// Whether a forge is yet to hear how the last builds ended.
async fn is_still_told(store: &Store, repository: &RepositoryId, since: i64) -> Result<bool, StoreError> {
    // A time that is to come was noted before the clock was set back.
    let passed = store.clock().now() - since;
    if !(0..TELLING_MS.1).contains(&passed) {
        return Ok(false);
    }
    Ok(passed < TELLING_MS.0 || disconnection::is_to_be_told(&mut store.read().await?.conn(), repository).await?)
}

/// Removes all of a repository.
async fn remove(store: &Store, repository: &RepositoryId) -> Result<(), StoreError> {
    // Waiting for a turn would be waiting for one that was killed. What two servers remove at once is removed once.
    let mut turn = Turn::pace(store);
    loop {
        let jobs = disconnection::jobs(&mut store.read().await?.conn(), repository, JOBS).await?;
        if jobs.is_empty() {
            break;
        }
        for job in jobs {
            let steps = stored::steps_of_job(&mut store.read().await?.conn(), &job).await?;
            remove_logs(store, &mut turn, &steps).await?;
            turn.step(async {
                let mut tx = store.write().await?;
                disconnection::remove_job(&mut tx, &job).await?;
                tx.commit().await
            })
            .await?;
        }
    }
    // Releases go before builds: they are made of them.
    for rest in disconnection::Rest::ALL {
        loop {
            let removed = turn
                .step(async {
                    let mut tx = store.write().await?;
                    let removed = disconnection::remove_some(&mut tx, repository, *rest, PORTION).await?;
                    tx.commit().await?;
                    Ok(removed)
                })
                .await?;
            if removed == 0 {
                break;
            }
        }
    }
    let mut tx = store.write().await?;
    disconnection::remove(&mut tx, repository).await?;
    tx.commit().await?;
    turn.give_back().await
}
