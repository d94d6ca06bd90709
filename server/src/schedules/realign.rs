//! Next times that a clock which went ahead and came back has put too far away.

use slipway_pipelines::schedule::Times;

use super::times;
use crate::store::{
    Store, StoreError, Tx,
    schedules::{self, Schedule},
};

/// How many times that were kept already are passed over.
const MOST_KEPT: usize = 1_000;

/// Brings every schedule that waits back to the first time from now on that was not kept. Where the clock only ever went
/// on, that is the one it waits for.
///
/// # Errors
/// When the database fails.
pub async fn realign(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let now = tx.now();
    for schedule in schedules::waiting(&mut tx.conn(), now).await? {
        let Ok(times) = times(&schedule) else { continue };
        let Some(next_at) = first_open(&mut tx, &schedule, &times).await? else { continue };
        if schedule.next_at.is_some_and(|waits_for| next_at < waits_for) {
            schedules::move_on(&mut tx, &schedule, Some(next_at)).await?;
            tracing::warn!(schedule = %schedule.name, "its next time was too far away: the clock was set back");
        }
    }
    tx.commit().await
}

/// The first time from now on that was not kept.
async fn first_open(tx: &mut Tx, schedule: &Schedule, times: &Times) -> Result<Option<i64>, StoreError> {
    let mut next = times.after(tx.now());
    for _ in 0..MOST_KEPT {
        match next {
            Some(time) if schedules::was_kept(&mut tx.conn(), &schedule.id, time).await? => next = times.after(time),
            _ => break,
        }
    }
    Ok(next)
}
