//! Steering a rollout that is under way by hand: pausing it, letting it go on, ending it.

use serde_json::json;
use slipway_runner::coordinator::{Steering, StepKind};

use super::{
    By, DecisionKind, ReleaseError, ReleaseEvent, ReleaseKind, ReleaseState,
    bake::return_from_breached,
    decide::{again, found, shortened},
    given_up::{after_giving_up, return_to},
    lifecycle,
};
use crate::{
    queue::{self, JobEvent, JobState, StepState},
    store::{
        self, StoreError, Tx,
        decisions::{self, Decision, NewDecision},
        releases::Release,
        repositories::Repository,
        steps::Step,
    },
};

/// The particular of a resumption that names the last step whose bake need not be waited for to its end.
const PASSED: &str = "passed";

/// How a rollout is steered, by all that was decided of its release, in order.
#[must_use]
pub fn steering(decisions: &[Decision]) -> Steering {
    let passed = decisions.iter().filter_map(|decision| decision.detail[PASSED].as_u64()).max();
    Steering {
        paused: pause(decisions).map(|pause| match &pause.reason {
            Some(reason) => format!("paused by {}: {reason}", pause.actor),
            None => format!("paused by {}", pause.actor),
        }),
        passed: passed.and_then(|passed| u32::try_from(passed).ok()),
    }
}

/// The decision by which the rollout is paused, while it is.
#[must_use]
pub fn pause(decisions: &[Decision]) -> Option<&Decision> {
    let turns = [DecisionKind::Paused, DecisionKind::Resumed, DecisionKind::Cancelled];
    let last = decisions.iter().rfind(|decision| turns.contains(&decision.kind));
    last.filter(|decision| decision.kind == DecisionKind::Paused)
}

/// Pauses the rollout of release `number`: its containers and its traffic stay as they are, also when it has yet to begin.
/// Pausing what is paused changes nothing.
///
/// # Errors
/// [`ReleaseError`] says why there is nothing to pause.
pub async fn pause_rollout(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    number: i64,
    by: By<'_>,
) -> Result<Release, ReleaseError> {
    let release = under_way(tx, repository, environment, number).await?;
    if pause(&said(tx, &release).await?).is_none() {
        note(tx, &release, DecisionKind::Paused, by, None).await?;
        lifecycle::note(tx, &release, "release.paused").await?;
    }
    Ok(release)
}

/// Lets the paused rollout of release `number` go on; with `now`, the rest of the bake that it is in is passed over, whether
/// it was paused or not. Where it was resumed already, nothing changes.
///
/// # Errors
/// [`ReleaseError`] says why there is nothing to go on with.
pub async fn resume_rollout(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    number: i64,
    by: By<'_>,
    now: bool,
) -> Result<Release, ReleaseError> {
    let release = under_way(tx, repository, environment, number).await?;
    let decisions = said(tx, &release).await?;
    let passed = if now { baking_step(tx, &release).await? } else { None };
    let is_news = pause(&decisions).is_some() || passed > steering(&decisions).passed;
    if is_news {
        note(tx, &release, DecisionKind::Resumed, by, passed).await?;
        lifecycle::note(tx, &release, "release.resumed").await?;
    } else if !now && decisions.iter().all(|decision| decision.kind != DecisionKind::Resumed) {
        return Err(ReleaseError::NotPaused { environment: environment.to_owned(), number });
    }
    Ok(release)
}

/// Ends the rollout of release `number`, also before it has begun: what was live before serves again.
///
/// # Errors
/// [`ReleaseError`] says why there is nothing to end.
pub async fn cancel_rollout(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    number: i64,
    by: By<'_>,
) -> Result<Release, ReleaseError> {
    let release = under_way(tx, repository, environment, number).await?;
    take_back(tx, &release, by).await?;
    again(tx, &release).await
}

/// Ends a rollout that what is newer does not wait for: one that people have paused, and whatever stands in the way of a way
/// out. Nobody's way back is ended by a restore, which would bring what they leave.
pub(super) async fn make_way(tx: &mut Tx, newer: &Release) -> Result<(), StoreError> {
    for release in store::releases::unsettled(&mut tx.conn(), &newer.environment_id).await? {
        if release.number >= newer.number || release.state != ReleaseState::Rolling {
            continue;
        }
        let yields = match newer.kind {
            ReleaseKind::Rollback => true,
            ReleaseKind::Restore => !release.kind.is_way_out(),
            ReleaseKind::Build | ReleaseKind::Promotion => false,
        };
        if yields || pause(&said(tx, &release).await?).is_some() {
            let reason = format!("release {} takes its place", newer.number);
            cancel(tx, &release, By { actor: &newer.actor, reason: Some(&reason) }).await?;
        }
    }
    Ok(())
}

/// Why a rollout was ended by people, where it was.
pub(crate) async fn why_cancelled(tx: &mut Tx, release: &Release) -> Result<Option<String>, StoreError> {
    let decisions = said(tx, release).await?;
    let cancelled = decisions.iter().rfind(|decision| decision.kind == DecisionKind::Cancelled);
    Ok(cancelled.map(|decision| match &decision.reason {
        Some(reason) => format!("cancelled by {}: {reason}", decision.actor),
        None => format!("cancelled by {}", decision.actor),
    }))
}

async fn cancel(tx: &mut Tx, release: &Release, by: By<'_>) -> Result<(), StoreError> {
    let Some(job) = store::jobs::of_release(&mut tx.conn(), &release.id).await? else { return Ok(()) };
    let Some(job) = store::jobs::lock(tx, &job.id).await? else { return Ok(()) };
    if job.state != JobState::Leased || job.cancel_requested_at.is_some() {
        return Ok(());
    }
    store::jobs::request_cancel(tx, &job.id).await?;
    note(tx, release, DecisionKind::Cancelled, by, None).await?;
    lifecycle::note(tx, release, "release.cancelling").await
}

/// Ends a rollout, whoever holds it. One that no runner does, and that had begun, has left the environment between two releases: what sets that right
/// is queued.
async fn take_back(tx: &mut Tx, release: &Release, by: By<'_>) -> Result<(), StoreError> {
    let Some(job) = store::jobs::of_release(&mut tx.conn(), &release.id).await? else { return Ok(()) };
    let Some(mut job) = store::jobs::lock(tx, &job.id).await? else { return Ok(()) };
    if job.state != JobState::Queued {
        // Its runner ends it.
        return cancel(tx, release, by).await;
    }
    let Some(mut release) = store::releases::find(&mut tx.conn(), &release.id).await? else { return Ok(()) };
    note(tx, &release, DecisionKind::Cancelled, by, None).await?;
    let told = why_cancelled(tx, &release).await?.unwrap_or_default();
    queue::apply(tx, &mut job, JobEvent::Cancel, Some(&told)).await?;
    if release.started_at.is_none() {
        lifecycle::apply(tx, &mut release, ReleaseEvent::Reject, Some(&told)).await?;
        return return_from_breached(tx, &release).await;
    }
    let next = after_giving_up(tx, &release).await?;
    lifecycle::apply(tx, &mut release, ReleaseEvent::Fail, Some(&format!("{told}; {}", next.told()))).await?;
    return_from_breached(tx, &release).await?;
    return_to(tx, &release, next).await
}

/// The step that bakes now: its time can be passed over.
async fn baking_step(tx: &mut Tx, release: &Release) -> Result<Option<u32>, StoreError> {
    let Some(job) = store::jobs::of_release(&mut tx.conn(), &release.id).await? else { return Ok(None) };
    let steps = store::steps::of_attempt(&mut tx.conn(), &job.id, job.attempt).await?;
    let baking = steps.into_iter().find(bakes);
    Ok(baking.and_then(|step| u32::try_from(step.position).ok()))
}

/// Whether a step is one that is under way for a set time.
#[must_use]
pub fn bakes(step: &Step) -> bool {
    step.state == StepState::Running && matches!(step.kind.0, StepKind::Canary | StepKind::Preview)
}

/// The release, whose rollout waits for a runner or is under way.
async fn under_way(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    number: i64,
) -> Result<Release, ReleaseError> {
    let (_, release) = found(tx, repository, environment, number).await?;
    match release.state {
        ReleaseState::Queued | ReleaseState::Rolling => Ok(release),
        _ => Err(not_under_way(environment, &release)),
    }
}

fn not_under_way(environment: &str, release: &Release) -> ReleaseError {
    ReleaseError::NotUnderWay {
        environment: environment.to_owned(),
        number: release.number,
        state: release.state.as_str(),
    }
}

async fn said(tx: &mut Tx, release: &Release) -> Result<Vec<Decision>, StoreError> {
    decisions::of_release(&mut tx.conn(), &release.id).await
}

async fn note(
    tx: &mut Tx,
    release: &Release,
    kind: DecisionKind,
    by: By<'_>,
    passed: Option<u32>,
) -> Result<(), StoreError> {
    let reason = shortened(by.reason);
    let detail = passed.map_or_else(|| json!({}), |passed| json!({PASSED: passed}));
    let (environment, release, reason) = (&release.environment_id, Some(&release.id), reason.as_deref());
    decisions::insert(tx, NewDecision { environment, release, kind, actor: by.actor, reason, detail }).await?;
    // The runner waits for it.
    tx.ring_queue();
    Ok(())
}
