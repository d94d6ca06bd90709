//! How people steer the rollouts that runners have leased.

use std::time::Duration;

use slipway_runner::coordinator::{LeaseKey, Steering, SteeringRequest};
use tokio::time::{Instant, timeout_at};

use super::{JobState, ServerCoordinator, fence::ReportError};
use crate::{
    ids::JobId,
    releases,
    store::{self, StoreError},
};

/// The longest that a question is kept waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Answers once it is otherwise than the runner knows, or its time is over.
///
/// The bell is taken before the look: what is committed after the look rings it.
pub(super) async fn steering(
    server: &ServerCoordinator,
    lease: &LeaseKey,
    asked: &SteeringRequest,
) -> Result<Steering, ReportError> {
    let deadline = Instant::now() + Duration::from_millis(asked.wait_ms).min(LONGEST_WAIT);
    let mut bell = server.store.bells().queue();
    loop {
        bell.borrow_and_update();
        let now = now(server, lease).await?;
        if asked.known.as_ref() != Some(&now) || Instant::now() >= deadline {
            return Ok(now);
        }
        let sweep = Instant::now() + server.timing.sweep;
        tokio::select! {
            _ = timeout_at(deadline.min(sweep), bell.changed()) => {}
            // The runner asks the next server, or this one's next life.
            () = server.ending().cancelled() => return Err(StoreError::Closed.into()),
        }
    }
}

/// How it is steered now. It changes nothing, so that it needs no lock; the lease must be the asking runner's all the same.
async fn now(server: &ServerCoordinator, lease: &LeaseKey) -> Result<Steering, ReportError> {
    let lost = || ReportError::Lost(lease.job.clone());
    let id: JobId = lease.job.parse().map_err(|_| lost())?;
    let mut reader = server.store.read().await?;
    let job = store::jobs::find(&mut reader.conn(), &id).await?.ok_or_else(lost)?;
    let own = server.runner.as_deref().is_none_or(|runner| job.lease_owner.as_deref() == Some(runner));
    let of_life = server.life.as_deref().is_none_or(|life| job.lease_incarnation.as_deref() == Some(life));
    if !own || !of_life || job.lease_epoch != lease.epoch || job.state != JobState::Leased {
        return Err(lost());
    }
    match &job.release_id {
        Some(release) => Ok(releases::steering(&store::decisions::of_release(&mut reader.conn(), release).await?)),
        None => Ok(Steering::default()),
    }
}
