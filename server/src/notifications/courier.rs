//! The courier: sends what is due, and again what did not arrive.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Again, NotificationState, SendError, Sender, address_of};
use crate::{
    secrets::Sealer,
    store::{
        Store, StoreError, alerts, channels,
        notifications::{self, Notification},
    },
};

/// How many messages are under way at once.
const AT_ONCE: i64 = 20;
/// When a message that was taken is free for others again, in milliseconds: longer than sending takes.
const GIVEN_UP_MS: i64 = 60_000;
/// The pause before the second try, in milliseconds; each is twice the one before, up to the longest.
const FIRST_PAUSE_MS: i64 = 30_000;
const LONGEST_PAUSE_MS: i64 = 3_600_000;
/// How much the clocks of servers that share a database may differ, in milliseconds.
const CLOCKS_APART_MS: i64 = 60_000;
/// With those pauses, about a day.
const MOST_ATTEMPTS: i64 = 30;
/// The longest between two looks: the clock may be set, and another server's courier may have ended.
const SWEEP: Duration = Duration::from_secs(60);
/// The shortest, whatever the clock does.
const BREATH: Duration = Duration::from_millis(20);
/// How often what was sent long ago is forgotten, and how long it is kept, in milliseconds.
const FORGETTING: Duration = Duration::from_secs(3600);
const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// Sends until it is told to stop; `told` says that there may be something new.
pub async fn run_courier(store: Store, sealer: Sealer, sender: Sender, told: Arc<Notify>, stop: CancellationToken) {
    let mut forget_at = Instant::now();
    loop {
        let next = match stop.run_until_cancelled(Box::pin(deliver_due(&store, &sealer, &sender))).await {
            None => return,
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot look for messages to send; trying again");
                None
            }
        };
        if Instant::now() >= forget_at {
            forget_at = Instant::now() + FORGETTING;
            if let Err(error) = forget(&store).await {
                tracing::error!(%error, "cannot forget old messages");
            }
        }
        let until_next = next.map(|at| u64::try_from(at - store.clock().now()).unwrap_or(0));
        let pause = until_next.map_or(SWEEP, Duration::from_millis).clamp(BREATH, SWEEP);
        tokio::select! {
            () = stop.cancelled() => return,
            () = told.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Sends all that is due; tells when the next message is, in unix milliseconds.
///
/// # Errors
/// When the database fails.
pub async fn deliver_due(store: &Store, sealer: &Sealer, sender: &Sender) -> Result<Option<i64>, StoreError> {
    loop {
        let next = notifications::next_due(&mut store.read().await?.conn()).await?;
        let Some(at) = next else { return Ok(None) };
        if at > store.clock().now() {
            if hasten(store).await? == 0 {
                return Ok(next);
            }
            tracing::warn!("messages waited for a time that was too far away: the clock was set back");
        }
        let mut tx = store.write().await?;
        let given_up_at = tx.now() + GIVEN_UP_MS;
        let due = notifications::take_due(&mut tx, given_up_at, AT_ONCE).await?;
        tx.commit().await?;
        if due.is_empty() {
            // Each waits for an earlier message of its trouble, which is under way or to be sent again.
            return Ok(None);
        }
        let sending = due.iter().map(|message| deliver(store, sealer, sender, message));
        for done in join_all(sending).await {
            done?;
        }
    }
}

/// Lets be sent now what waits for a time from before the clock was set back: it was put here later than now, or waits
/// for longer than any pause. Tells how many that are.
async fn hasten(store: &Store) -> Result<u64, StoreError> {
    let mut tx = store.write().await?;
    let (made, next) = (tx.now() + CLOCKS_APART_MS, tx.now() + LONGEST_PAUSE_MS + CLOCKS_APART_MS);
    let hastened = notifications::hasten(&mut tx, made, next).await?;
    tx.commit().await?;
    Ok(hastened)
}

async fn deliver(store: &Store, sealer: &Sealer, sender: &Sender, taken: &Notification) -> Result<(), StoreError> {
    let Some(channel) = channels::find(&mut store.read().await?.conn(), &taken.channel_id).await? else {
        return Ok(());
    };
    let sent = match address_of(&channel, sealer) {
        Ok(address) => sender.send(&address, &taken.id, &taken.message).await,
        Err(error) => Err(SendError { reason: error.to_string(), again: Again::Never }),
    };
    let mut tx = store.write().await?;
    match sent {
        Ok(()) => notifications::settle(&mut tx, taken, NotificationState::Sent, taken.next_at, None).await?,
        Err(SendError { reason, again: Again::After(wait) }) if taken.attempts < MOST_ATTEMPTS => {
            tracing::warn!(channel = channel.name, reason, "a message did not arrive; it is sent again");
            let asked = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            let next_at = tx.now() + pause(taken.attempts).max(asked);
            notifications::settle(&mut tx, taken, NotificationState::Waiting, next_at, Some(&reason)).await?;
        }
        Err(SendError { reason, .. }) => {
            tracing::error!(channel = channel.name, reason, "a message is given up");
            notifications::settle(&mut tx, taken, NotificationState::Failed, taken.next_at, Some(&reason)).await?;
        }
    }
    tx.commit().await
}

/// The pause after so many attempts, in milliseconds.
fn pause(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS)
}

async fn forget(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let before = tx.now() - KEPT_MS;
    notifications::forget(&mut tx, before).await?;
    alerts::forget(&mut tx, before).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let pauses: Vec<i64> = [1, 2, 3, 7, 8, 30, 1000].into_iter().map(|attempt| pause(attempt) / 1000).collect();
        assert_eq!(pauses, [30, 60, 120, 1920, 3600, 3600, 3600]);
        let day: i64 = (1..MOST_ATTEMPTS).map(pause).sum();
        assert!((20..30).contains(&(day / 3_600_000)), "{day}");
    }
}
