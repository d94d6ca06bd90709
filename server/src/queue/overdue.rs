//! Builds that take too long. Their runners end them; this is the net should one not.

use slipway_runner::coordinator::TimeLimit;

use super::{
    JobState, StepEvent,
    give_back::{end_steps, failed, subject},
    limits,
};
use crate::{
    ids::JobId,
    store::{self, Store, StoreError},
};

/// How much longer than its limit a build is left to its runner, in milliseconds.
const GRACE_MS: i64 = 5 * 60 * 1000;

/// Fails every build that has taken longer than it may, and then some; tells how many. Its runner loses the lease, and
/// removes what it runs. One that cannot be ended is left for the next time.
///
/// # Errors
/// When the database cannot even be asked.
pub async fn end_overdue(store: &Store) -> Result<usize, StoreError> {
    let mut reader = store.read().await?;
    let Some(minutes) = limits::build_minutes(&mut reader.conn()).await? else { return Ok(0) };
    let before = store.clock().now() - i64::from(minutes) * 60_000 - GRACE_MS;
    let overdue = store::jobs::overdue(&mut reader.conn(), before).await?;
    drop(reader);
    let reason = TimeLimit { minutes, left_ms: 0 }.reason();
    let mut ended = 0;
    for id in overdue {
        match end(store, &id, &reason).await {
            Ok(was_leased) => ended += usize::from(was_leased),
            Err(error) => tracing::error!(job = %id, %error, "cannot end a build that takes too long"),
        }
    }
    Ok(ended)
}

async fn end(store: &Store, id: &JobId, reason: &str) -> Result<bool, StoreError> {
    let mut tx = store.write().await?;
    let Some(mut job) = store::jobs::lock(&mut tx, id).await? else { return Ok(false) };
    if job.state != JobState::Leased {
        return Ok(false);
    }
    end_steps(&mut tx, &job, StepEvent::Fail, StepEvent::Skip, reason).await?;
    let subject = subject(&mut tx, &job).await?;
    failed(&mut tx, &mut job, subject, &format!("{reason}, and its runner did not end it")).await?;
    tx.commit().await?;
    Ok(true)
}
