//! The rescuer: takes jobs from runners that are not heard of any more.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{JobState, Overtime, Timing, give_back::give_back};
use crate::{
    builds,
    ids::JobId,
    runners::notice_silence,
    store::{self, Store, StoreError, jobs::Job},
};

/// A lease that ends later than this from now was given before the clock was set back, in milliseconds: twice what any
/// is given. Whoever still holds it would have extended it, to an earlier end.
const LATEST_END_MS: i64 = 120_000;

/// Gives back every job whose lease has ended by now; tells how many. One that cannot be given back is left for the next
/// time, and keeps no other from it.
///
/// # Errors
/// When the database cannot even be asked.
pub async fn rescue(store: &Store) -> Result<usize, StoreError> {
    let now = store.lease_time().await?;
    let expired = {
        let mut reader = store.read().await?;
        store::jobs::expired(&mut reader.conn(), now, now + LATEST_END_MS).await?
    };
    let mut rescued = 0;
    for id in expired {
        match rescue_one(store, &id, now).await {
            Ok(was_lost) => rescued += usize::from(was_lost),
            Err(error) => tracing::error!(job = %id, %error, "cannot take a job from a runner that is lost"),
        }
    }
    Ok(rescued)
}

async fn rescue_one(store: &Store, id: &JobId, now: i64) -> Result<bool, StoreError> {
    let mut tx = store.write().await?;
    let Some(job) = store::jobs::lock(&mut tx, id).await? else { return Ok(false) };
    // A heartbeat may have come between our look and now.
    if job.state != JobState::Leased || !has_ended(&job, now) {
        return Ok(false);
    }
    give_back(&mut tx, job, "the runner was not heard of any more").await?;
    tx.commit().await?;
    Ok(true)
}

fn has_ended(job: &Job, now: i64) -> bool {
    job.lease_until.is_some_and(|until| until < now || until > now + LATEST_END_MS)
}

/// Rescues until it is told to stop. It waits a lease's length first: while the server was down, no runner could have
/// been heard of, and none may be judged by that. So it does when the clock was set, or the machine slept.
pub async fn run_rescuer(store: Store, timing: Timing, stop: CancellationToken) {
    let mut overtime = Overtime::default();
    let mut pause = timing.lease;
    let mut round = 0;
    loop {
        let slept = Sleep::begin(&store).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let Some(apart) = slept.apart(&store).await else {
            tracing::warn!("the time cannot be told, and no runner judged by it");
            pause = timing.sweep;
            continue;
        };
        if apart > timing.lease / 2 {
            tracing::warn!("the clock was set; runners are given the time to be heard of again");
            pause = timing.lease;
            continue;
        }
        match rescue(&store).await {
            Ok(0) => {}
            Ok(rescued) => tracing::warn!(rescued, "took jobs from runners that are not heard of any more"),
            Err(error) => tracing::error!(%error, "cannot look for lost runners"),
        }
        match overtime.end_overdue(&store).await {
            Ok(0) => {}
            Ok(ended) => tracing::warn!(ended, "ended builds that took too long"),
            Err(error) => tracing::error!(%error, "cannot look for builds that take too long"),
        }
        match builds::expire(&store).await {
            Ok(0) => {}
            Ok(expired) => tracing::info!(expired, "cancelled builds that nobody approved in time"),
            Err(error) => tracing::error!(%error, "cannot look for builds that nobody approved"),
        }
        if let Err(error) = notice_silence(&store).await {
            tracing::error!(%error, "cannot look for runners that have gone silent");
        }
        round += 1;
        pause = timing.sweep + jitter(round);
    }
}

/// A pause, by two clocks.
struct Sleep {
    steady: Instant,
    /// None when the database could not tell.
    clock: Option<i64>,
}

impl Sleep {
    async fn begin(store: &Store) -> Self {
        Sleep { steady: store.clock().steady(), clock: store.lease_time().await.ok() }
    }

    /// How much more or less the clock that leases end by has gone on than the steady one; none when that cannot be
    /// told.
    async fn apart(&self, store: &Store) -> Option<Duration> {
        let by_clock = store.lease_time().await.ok()? - self.clock?;
        let passed = store.clock().steady().duration_since(self.steady);
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        Some(Duration::from_millis(by_clock.abs_diff(passed)))
    }
}

/// Up to 2 s, different each time: several servers must not look at the same moment for ever.
fn jitter(round: u64) -> Duration {
    Duration::from_millis((u64::from(std::process::id()) + round * 701) % 2_000)
}
