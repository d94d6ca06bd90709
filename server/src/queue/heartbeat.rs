//! Heartbeats: leases extended, orders repeated.

use slipway_runner::coordinator::{Heartbeat, LeaseKey, Verdict};

use super::{
    JobState, ServerCoordinator,
    claim::HINDRANCE_LIMIT,
    fence::{ReportError, of_epoch},
};
use crate::{
    events::NewEvent,
    store::{self, StoreError, Tx, jobs::Job},
};

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
    let waiting = beat.waiting.iter().find(|waiting| waiting.job == lease.job);
    note_hindrance(tx, &job, waiting.map(|waiting| waiting.hindrance.as_str())).await?;
    Ok(if job.cancel_requested_at.is_some() { Verdict::Cancel } else { Verdict::GoOn })
}

/// Tells everyone what a job waits for although a runner has it; none when it goes on.
async fn note_hindrance(tx: &mut Tx, job: &Job, hindrance: Option<&str>) -> Result<(), StoreError> {
    let hindrance: Option<String> = hindrance.map(|words| words.chars().take(HINDRANCE_LIMIT).collect());
    if store::jobs::hinder(tx, &job.id, hindrance.as_deref()).await? {
        let mut noted = NewEvent::new("job.waits").with("job", &job.id).with("reason", &hindrance);
        noted.build = job.build_id.clone();
        noted.release = job.release_id.clone();
        tx.emit(noted);
    }
    Ok(())
}
