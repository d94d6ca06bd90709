//! The keeper: sleeps until the next schedule is due.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{fire_due, realign};
use crate::store::Store;

/// How long it sleeps at most: a clock may be set, and a message of another server may be lost.
const LONGEST_SLEEP: Duration = Duration::from_secs(15 * 60);
/// How long it waits after the database failed, and at least between two looks.
const PAUSE: Duration = Duration::from_secs(5);
const SHORTEST_SLEEP: Duration = Duration::from_millis(100);

/// By how much the clock must have gone back to matter, in milliseconds: it is set right by a little all the time.
const BACK: i64 = 60 * 1000;

/// Keeps schedules until it is told to stop. It wakes when the next one is due and when schedules change.
pub async fn run_keeper(store: Store, stop: CancellationToken) {
    let mut changes = store.bells().schedules();
    // Nobody knows how the clock stood before this start.
    let mut latest = i64::MAX;
    loop {
        changes.mark_unchanged();
        let now = store.clock().now();
        let realigned = if now < latest.saturating_sub(BACK) { realign(&store).await } else { Ok(()) };
        match realigned {
            Ok(()) => latest = now,
            Err(error) => tracing::error!(%error, "cannot look for schedules that wait for too long"),
        }
        let sleep = match fire_due(&store).await {
            Ok(Some(next_at)) => {
                let left = u64::try_from(next_at - store.clock().now()).unwrap_or(0);
                Duration::from_millis(left).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
            }
            Ok(None) => LONGEST_SLEEP,
            Err(error) => {
                tracing::error!(%error, "cannot look for schedules that are due");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changes.changed() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}
