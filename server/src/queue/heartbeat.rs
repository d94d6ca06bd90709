//! Heartbeats: leases extended, orders repeated.

use slipway_runner::coordinator::{Heartbeat, LeaseKey, Verdict};

use super::{
    JobState, ServerCoordinator,
    fence::{ReportError, of_epoch},
};
use crate::store::{self, Tx};

/// The most leases that one heartbeat or claim may name.
pub(super) const MOST_LEASES: usize = 1_000;

/// Extends the leases named and says of each what to do. A life that is over has lost them all.
pub(super) async fn heartbeat(
    server: &ServerCoordinator,
    beat: &Heartbeat,
) -> Result<Vec<(LeaseKey, Verdict)>, ReportError> {
    if beat.holding.len() > MOST_LEASES {
        return Err(ReportError::Refused(format!("a heartbeat names at most {MOST_LEASES} leases")));
    }
    let mut tx = server.store.write().await?;
    if !store::runners::seen(&mut tx, &beat.runner, &beat.incarnation).await? {
        return Ok(beat.holding.iter().map(|lease| (lease.clone(), Verdict::Lost)).collect());
    }
    let until = tx.lease_time().await? + server.timing.lease_ms();
    // In one order for everyone, so that two heartbeats never wait for each other's rows.
    let mut holding = beat.holding.clone();
    holding.sort();
    let mut verdicts = Vec::with_capacity(holding.len());
    for lease in holding {
        let verdict = verdict(&mut tx, server, beat, &lease, until).await?;
        verdicts.push((lease, verdict));
    }
    tx.commit().await?;
    Ok(verdicts)
}

async fn verdict(
    tx: &mut Tx,
    server: &ServerCoordinator,
    beat: &Heartbeat,
    lease: &LeaseKey,
    until: i64,
) -> Result<Verdict, ReportError> {
    let job = match of_epoch(tx, server, lease).await {
        Ok(job) if job.state == JobState::Leased => job,
        Ok(_) | Err(ReportError::Lost(_)) => return Ok(Verdict::Lost),
        Err(error) => return Err(error),
    };
    if !store::jobs::extend(tx, &job.id, job.lease_epoch, &beat.runner, &beat.incarnation, until).await? {
        return Ok(Verdict::Lost);
    }
    Ok(if job.cancel_requested_at.is_some() { Verdict::Cancel } else { Verdict::GoOn })
}
