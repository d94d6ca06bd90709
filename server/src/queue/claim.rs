//! Handing out jobs: woken by bells, never by polling.

use std::time::Duration;

use slipway_runner::coordinator::{ClaimReply, ClaimRequest, Lease, LeaseKey};
use tokio::time::{Instant, timeout_at};

use super::{
    JobEvent, JobState, ServerCoordinator, apply, collect,
    condemn::condemn,
    fence::ReportError,
    give_back::{Subject, subject},
    hand_out::hand_out,
    heartbeat::MOST_LEASES,
    lifecycle::note,
    limits, log_questions,
    unheard::handed_out_unheard,
};
use crate::{
    builds::{self, BuildEvent},
    ids::JobId,
    releases::{self, ReleaseEvent},
    store::{
        self, StoreError, Tx,
        claims::{self, Asker, Claimant},
        jobs::Job,
        releases::Release,
    },
};

/// The longest that a request is kept waiting.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// The longest text of what hinders a runner or a job, in characters.
pub(super) const HINDRANCE_LIMIT: usize = 500;
/// How many unusable jobs one look at the queue passes over; the next look goes on.
const UNUSABLE: usize = 8;

/// Waits for work, or for an order about a job that the runner holds.
///
/// The bell is taken before the look: what is committed after the look rings it.
pub(super) async fn claim(server: &ServerCoordinator, request: &ClaimRequest) -> Result<ClaimReply, ReportError> {
    if request.holding.len() > MOST_LEASES {
        return Err(ReportError::Refused(format!("a claim names at most {MOST_LEASES} leases")));
    }
    let deadline = Instant::now() + Duration::from_millis(request.wait_ms).min(LONGEST_WAIT);
    let mut bell = server.store.bells().queue();
    let over = server.begin_claim(&request.runner);
    note_draining(server, request).await?;
    note_hindrance(server, request).await?;
    loop {
        bell.borrow_and_update();
        if let Some(lease) = handed_out_unheard(server, request).await? {
            return Ok(ClaimReply::Work { lease: Box::new(lease) });
        }
        let orders = orders(server, request).await?;
        let orders = server.fresh_orders(request, orders);
        if !orders.is_empty() {
            return Ok(ClaimReply::Cancel { leases: orders });
        }
        if request.free > 0
            && let Some(lease) = take(server, request).await?
        {
            return Ok(ClaimReply::Work { lease: Box::new(lease) });
        }
        if let Some(order) = collect::next(server, request).await? {
            return Ok(ClaimReply::Collect { order });
        }
        if let Some(question) = log_questions::next(server, request).await? {
            return Ok(ClaimReply::Log { question });
        }
        let sweep = Instant::now() + server.timing.sweep;
        // A sweep's end is no different from a bell: either way the loop looks again.
        tokio::select! {
            _ = timeout_at(deadline.min(sweep), bell.changed()) => {}
            () = over.cancelled() => return server.early_end(),
        }
        if Instant::now() >= deadline {
            return Ok(ClaimReply::Idle);
        }
    }
}

/// Tells everyone that the runner takes no new work.
async fn note_draining(server: &ServerCoordinator, request: &ClaimRequest) -> Result<(), ReportError> {
    if request.draining {
        let mut tx = server.store.write().await?;
        store::runners::drains(&mut tx, &request.runner, &request.incarnation).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Tells everyone what keeps the runner from taking work. That nothing does any more is noted where it takes some.
async fn note_hindrance(server: &ServerCoordinator, request: &ClaimRequest) -> Result<(), ReportError> {
    let Some(hindrance) = &request.hindrance else { return Ok(()) };
    let hindrance: String = hindrance.chars().take(HINDRANCE_LIMIT).collect();
    let known = store::runners::find(&mut server.store.read().await?.conn(), &request.runner).await?;
    if known.is_some_and(|known| known.hindrance.as_ref() == Some(&hindrance)) {
        return Ok(());
    }
    let mut tx = server.store.write().await?;
    store::runners::hinder(&mut tx, &request.runner, &request.incarnation, Some(&hindrance)).await?;
    tx.commit().await?;
    Ok(())
}

/// The held leases that must stop: their job is to be cancelled, or is theirs no more.
async fn orders(server: &ServerCoordinator, request: &ClaimRequest) -> Result<Vec<LeaseKey>, ReportError> {
    if request.holding.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = server.store.read().await?;
    let mut stop = Vec::new();
    for lease in &request.holding {
        let job = match lease.job.parse::<JobId>() {
            Ok(id) => store::jobs::find(&mut reader.conn(), &id).await?,
            Err(_) => None,
        };
        let goes_on = job.is_some_and(|job| {
            job.lease_epoch == lease.epoch
                && job.lease_owner.as_ref() == Some(&request.runner)
                && job.state == JobState::Leased
                && job.cancel_requested_at.is_none()
        });
        if !goes_on {
            stop.push(lease.clone());
        }
    }
    Ok(stop)
}

/// Leases the next job to the runner, if there is one.
async fn take(server: &ServerCoordinator, request: &ClaimRequest) -> Result<Option<Lease>, ReportError> {
    for _ in 0..UNUSABLE {
        match take_once(server, request).await {
            Ok(Taken::Unusable) => {}
            Ok(Taken::Lease(lease)) => return Ok(Some(*lease)),
            Ok(Taken::Nothing) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

enum Taken {
    Lease(Box<Lease>),
    /// The job was cancelled while it was chosen, or could not even be described and has failed: the next may be taken.
    Unusable,
    Nothing,
}

async fn take_once(server: &ServerCoordinator, request: &ClaimRequest) -> Result<Taken, ReportError> {
    let mut tx = server.store.write().await?;
    let unknown = || {
        ReportError::Refused(format!(
            "the runner {} has not announced this life of it, has begun another since, or was revoked",
            request.runner
        ))
    };
    if !store::runners::seen(&mut tx, &request.runner, &request.incarnation).await? {
        return Err(unknown());
    }
    let runner = store::runners::find(&mut tx.conn(), &request.runner).await?.ok_or_else(unknown)?;
    if runner.hindrance.is_some() {
        store::runners::hinder(&mut tx, &request.runner, &request.incarnation, None).await?;
    }
    if runner.drained_by.is_some() {
        tx.commit().await?;
        return Ok(Taken::Nothing);
    }
    let until = tx.lease_time().await? + server.timing.lease_ms();
    claims::take_turns(&mut tx).await?;
    let builds_at_once = limits::builds_at_once(&mut tx.conn()).await?;
    let asker = Asker { runner: &runner.id, labels: &runner.labels, takes: runner.takes, protocol: runner.protocol };
    let Some(next) = claims::next(&mut tx, asker, builds_at_once).await? else {
        tx.commit().await?;
        return Ok(Taken::Nothing);
    };
    let claimant = Claimant { runner: &request.runner, incarnation: &request.incarnation, until };
    let Some(mut job) = claims::lease(&mut tx, &next, claimant).await? else { return Ok(Taken::Unusable) };
    note(&mut tx, &job, JobEvent::Lease, job.attempt_reason.as_deref());
    if !begin(&mut tx, &mut job).await? {
        tx.commit().await?;
        return Ok(Taken::Unusable);
    }
    if let Some(release) = &job.release_id {
        store::placement::settle(&mut tx, release, &runner.id).await?;
    }
    let handed = hand_out(&mut tx, server, &job).await?;
    tx.commit().await?;
    Ok(handed.map_or(Taken::Unusable, |lease| Taken::Lease(Box::new(lease))))
}

/// The build or release begins; false when it cannot: then the job has failed or is gone, and holds up no other.
async fn begin(tx: &mut Tx, job: &mut Job) -> Result<bool, StoreError> {
    let savepoint = tx.savepoint().await?;
    let begun = match subject(tx, job).await {
        Ok(Subject::Build(mut build)) => builds::apply(tx, &mut build, BuildEvent::Start, None).await.map(|()| true),
        Ok(Subject::Release(mut release)) => begin_rollout(tx, job, &mut release).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(begins) => {
            tx.release(savepoint).await?;
            Ok(begins)
        }
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::error!(%error, job = %job.id, "a job cannot begin");
            tx.undo(savepoint).await?;
            condemn(tx, job, &format!("it could not begin: {error}")).await?;
            Ok(false)
        }
    }
}

/// The release begins, unless something has come to stand against it: then it is held, and gets another job once nothing
/// does.
async fn begin_rollout(tx: &mut Tx, job: &mut Job, release: &mut Release) -> Result<bool, StoreError> {
    if releases::hold_back(tx, release).await? {
        apply(tx, job, JobEvent::Cancel, release.reason.as_deref()).await?;
        store::jobs::remove(tx, &job.id).await?;
        return Ok(false);
    }
    releases::apply(tx, release, ReleaseEvent::Roll, None).await?;
    Ok(true)
}
