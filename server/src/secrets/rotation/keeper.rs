//! The loop that follows which key is today's, and carries a rotation through.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{RotationError, THERE_MS, portion, take_up, tell};
use crate::{
    secrets::{KeyId, Keyring},
    store::{
        Store, StoreError,
        sealing::{self, SealingKey},
    },
};

/// How often it looks when nothing rings: what other servers are told is older than this at most.
const SWEEP: Duration = Duration::from_secs(10);
/// How soon it looks again while others are waited for, and after a failure.
const SOON: Duration = Duration::from_secs(1);
/// For how long nothing has been found that is sealed with an earlier key before those are forgotten: on a shared database
/// a transaction may still be under way that sealed, or read, something before.
const QUIET: Duration = Duration::from_secs(5);

/// A rotation as this server sees it, once it has carried it on.
struct Seen {
    number: i64,
    /// When something was last found that was sealed with an earlier key.
    found: Instant,
}

/// Keeps the keys until it is told to stop.
pub async fn keep(store: Store, keyring: Keyring, stop: CancellationToken) {
    let mut bell = store.bells().keys();
    let mut seen = None;
    loop {
        bell.borrow_and_update();
        let pause = match stop.run_until_cancelled(Box::pin(turn(&store, &keyring, &mut seen))).await {
            None => break,
            Some(Ok(pause)) => pause,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot keep the keys of the secrets; trying again");
                SOON
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            _ = bell.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = leave(&store).await {
        tracing::debug!(%error, "other servers will wait for this one's keys for a while");
    }
}

/// Does what is to be done now; tells when to look again.
async fn turn(store: &Store, keyring: &Keyring, seen: &mut Option<Seen>) -> Result<Duration, RotationError> {
    let Some(current) = sealing::current(&mut store.read().await?.conn()).await? else { return Ok(SWEEP) };
    let taken = take_up(keyring, &current);
    if store.is_shared() {
        let mut tx = store.write().await?;
        tell(&mut tx, keyring).await?;
        tx.commit().await?;
    }
    taken?;
    if current.ended_at.is_none() {
        return Ok(reseal(store, keyring, &current, seen).await?);
    }
    let earlier = sealing::earlier(&mut store.read().await?.conn(), &current).await?;
    let earlier: Vec<KeyId> = earlier.iter().filter_map(|id| id.parse().ok()).collect();
    let is_found = seen.is_none() && keyring.ids().iter().any(|held| earlier.contains(held));
    if is_found && current.unopened > 0 {
        // A key that was lost, and somebody has found: it may open what nothing has opened so far.
        tracing::info!(key = current.key_id, unopened = current.unopened, "an earlier key is here again");
        let mut tx = store.write().await?;
        if sealing::reopen(&mut tx, current.number).await? {
            tx.ring_keys();
        }
        tx.commit().await?;
        return Ok(Duration::ZERO);
    }
    keyring.forget(&earlier)?;
    Ok(SWEEP)
}

async fn leave(store: &Store) -> Result<(), StoreError> {
    if !store.is_shared() {
        return Ok(());
    }
    let mut tx = store.write().await?;
    sealing::leave(&mut tx).await?;
    tx.commit().await
}

/// Seals anew what is sealed with earlier keys, and ends the rotation once there is nothing of that left.
async fn reseal(
    store: &Store,
    keyring: &Keyring,
    current: &SealingKey,
    seen: &mut Option<Seen>,
) -> Result<Duration, StoreError> {
    let begun = Instant::now();
    let seen = match seen {
        Some(seen) if seen.number == current.number => seen,
        _ => seen.insert(Seen { number: current.number, found: begun }),
    };
    if store.is_shared() {
        let since = store.lease_time().await? - THERE_MS;
        let servers = sealing::servers(&mut store.read().await?.conn(), since).await?;
        if servers.iter().any(|server| server.seals != current.key_id) {
            // One that still seals with an earlier key.
            seen.found = begun;
            return Ok(SOON);
        }
    }
    let sealer = keyring.sealer();
    let pass = portion::pass(store, &sealer, current.number).await?;
    if pass.resealed > 0 {
        seen.found = Instant::now();
        return Ok(Duration::ZERO);
    }
    let quiet = if store.is_shared() { QUIET } else { Duration::ZERO };
    if begun < seen.found + quiet {
        return Ok(SOON);
    }
    let mut tx = store.write().await?;
    if sealing::end(&mut tx, current.number, pass.unopened).await? {
        tracing::info!(key = current.key_id, unopened = pass.unopened, "everything is sealed with the new key");
        tx.ring_keys();
    }
    tx.commit().await?;
    Ok(Duration::ZERO)
}
