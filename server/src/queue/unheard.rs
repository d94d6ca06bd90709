//! Jobs that were handed out in an answer which never arrived.

use slipway_runner::coordinator::{ClaimRequest, Lease};

use super::{JobState, ServerCoordinator, fence::ReportError, hand_out::hand_out};
use crate::store::{self, jobs::Job};

/// A lease of this life of the runner that it does not know of: the answer that handed it out was lost on its way. It
/// is handed out again, as the same attempt.
///
/// A runner makes one claim at a time and names in it what it holds. What it does not name and has never reported a step
/// of, it never heard of. Within this process no answer is lost.
pub(super) async fn handed_out_unheard(
    server: &ServerCoordinator,
    request: &ClaimRequest,
) -> Result<Option<Lease>, ReportError> {
    if server.runner.is_none() {
        return Ok(None);
    }
    let unnamed = |job: &Job| {
        job.lease_incarnation.as_ref() == Some(&request.incarnation)
            && job.cancel_requested_at.is_none()
            && !request.holding.iter().any(|lease| lease.job == job.id.as_str() && lease.epoch == job.lease_epoch)
    };
    let held = store::jobs::held_by(&mut server.store.read().await?.conn(), &request.runner).await?;
    for job in held.into_iter().filter(unnamed) {
        let mut tx = server.store.write().await?;
        let Some(job) = store::jobs::lock(&mut tx, &job.id).await? else { continue };
        let own = job.lease_owner.as_ref() == Some(&request.runner);
        if job.state != JobState::Leased || !own || !unnamed(&job) {
            continue;
        }
        let begun = store::steps::of_job(&mut tx.conn(), &job.id).await?.iter().any(|step| step.attempt == job.attempt);
        if begun || !store::runners::seen(&mut tx, &request.runner, &request.incarnation).await? {
            continue;
        }
        let handed = hand_out(&mut tx, server, &job).await?;
        tx.commit().await?;
        if handed.is_some() {
            return Ok(handed);
        }
    }
    Ok(None)
}
