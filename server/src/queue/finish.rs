//! How jobs end, and what follows.

use std::collections::BTreeSet;

use slipway_pipelines::{config::Event, plan::ReleasePlan};
use slipway_runner::{
    coordinator::{Artifact, JobResult, LeaseKey, Look},
    rollouts,
};

use super::{
    JobEvent, JobState, ServerCoordinator, StepEvent, StepState, apply,
    fence::{ReportError, of_epoch},
    give_back::{Subject, cancelled, end_steps, failed, hand_back, subject},
};
use crate::{
    builds::{self, BuildEvent},
    releases,
    store::{self, StoreError, Tx, builds::Build, jobs::Job},
};

/// The most apps of one build, and the longest reason, in characters.
const MOST_ARTIFACTS: usize = 500;
const REASON_LIMIT: usize = 10_000;

/// The most kinds of things that are attached to one image.
const MOST_ATTACHED: usize = 10;

/// Ends a job. The same result again changes nothing; any other from a lease that is over is refused as lost.
pub(super) async fn finish(
    server: &ServerCoordinator,
    lease: &LeaseKey,
    result: &JobResult,
) -> Result<(), ReportError> {
    let mut tx = server.store.write().await?;
    let job = match of_epoch(&mut tx, server, lease).await {
        Ok(job) => job,
        Err(error) => {
            tx.roll_back().await?;
            return Err(error);
        }
    };
    if job.state != JobState::Leased {
        let same = job.state == ends_in(result);
        tx.roll_back().await?;
        return if same { Ok(()) } else { Err(ReportError::Lost(lease.job.clone())) };
    }
    end(&mut tx, job, result).await?;
    tx.commit().await?;
    Ok(())
}

fn ends_in(result: &JobResult) -> JobState {
    match result {
        JobResult::Built { .. } | JobResult::Live => JobState::Succeeded,
        JobResult::Looked { .. } => JobState::Held,
        JobResult::Failed { .. } => JobState::Failed,
        JobResult::Cancelled => JobState::Cancelled,
    }
}

/// Ends a leased job by its result.
///
/// Someone's wish to cancel comes first, however the runner's race with it ended: who cancelled a build does not want
/// it released. A job that was stopped though nobody asked (its runner is shutting down) goes back to the queue.
async fn end(tx: &mut Tx, mut job: Job, result: &JobResult) -> Result<(), ReportError> {
    let subject = subject(tx, &job).await?;
    if job.cancel_requested_at.is_some() && matches!(subject, Subject::Build(_)) {
        end_steps(tx, &job, StepEvent::Cancel, StepEvent::Cancel, "the build was cancelled").await?;
        return Ok(cancelled(tx, &mut job, subject, "it was cancelled").await?);
    }
    match (result, subject) {
        (JobResult::Cancelled, _) => Ok(hand_back(tx, job, "its runner stopped it").await?),
        (JobResult::Failed { reason }, subject) => {
            let told = why_ended(tx, &subject, reason).await?;
            let reason: String = told.chars().take(REASON_LIMIT).collect();
            end_steps(tx, &job, StepEvent::Fail, StepEvent::Skip, "the job ended before it").await?;
            Ok(failed(tx, &mut job, subject, &reason).await?)
        }
        (JobResult::Built { artifacts, release_plan }, Subject::Build(build)) => {
            all_steps_ended(tx, &job).await?;
            built(tx, &mut job, build, artifacts, release_plan).await
        }
        (JobResult::Looked { look }, Subject::Build(build)) => looked(tx, &mut job, build, look).await,
        (JobResult::Live, Subject::Release(mut release)) => {
            all_steps_ended(tx, &job).await?;
            apply(tx, &mut job, JobEvent::Succeed, None).await?;
            Ok(releases::go_live(tx, &mut release).await?)
        }
        (JobResult::Built { .. } | JobResult::Looked { .. }, Subject::Release(_)) => {
            Err(ReportError::Refused("a rollout ends live, failed or cancelled, not built".to_owned()))
        }
        (JobResult::Live, Subject::Build(_)) => {
            Err(ReportError::Refused("a build ends built, failed or cancelled, not live".to_owned()))
        }
    }
}

/// Why a job failed; of a rollout that people ended, what they said.
async fn why_ended(tx: &mut Tx, subject: &Subject, reason: &str) -> Result<String, StoreError> {
    let said = match subject {
        Subject::Release(release) if reason == rollouts::CANCELLED => releases::why_cancelled(tx, release).await?,
        _ => None,
    };
    Ok(said.unwrap_or_else(|| reason.to_owned()))
}

/// A build succeeded: what it pushed is kept, and its releases follow, all in the same moment.
async fn built(
    tx: &mut Tx,
    job: &mut Job,
    mut build: Build,
    artifacts: &[Artifact],
    plan: &ReleasePlan,
) -> Result<(), ReportError> {
    check_artifacts(artifacts)?;
    if build.event == Event::PullRequest.name() && !artifacts.is_empty() {
        return Err(ReportError::Refused("a pull request pushes nothing".to_owned()));
    }
    apply(tx, job, JobEvent::Succeed, None).await?;
    store::artifacts::insert(tx, &build.id, artifacts).await?;
    store::builds::set_release_plan(tx, &build.id, plan).await?;
    builds::apply(tx, &mut build, BuildEvent::Succeed, None).await?;
    Ok(releases::follow_build(tx, &build, artifacts, plan).await?)
}

/// What would run of a build is known: it waits until somebody approves it.
async fn looked(tx: &mut Tx, job: &mut Job, mut build: Build, look: &Look) -> Result<(), ReportError> {
    all_steps_ended(tx, job).await?;
    if !store::approvals::note_look(tx, &build.id, look).await? {
        return Err(ReportError::Refused("this build was to be built, not looked at".to_owned()));
    }
    apply(tx, job, JobEvent::Hold, None).await?;
    Ok(builds::apply(tx, &mut build, BuildEvent::Await, None).await?)
}

fn check_artifacts(artifacts: &[Artifact]) -> Result<(), ReportError> {
    if artifacts.len() > MOST_ARTIFACTS {
        return Err(ReportError::Refused(format!("a build has at most {MOST_ARTIFACTS} artifacts")));
    }
    let mut apps = BTreeSet::new();
    for artifact in artifacts {
        if !apps.insert(&artifact.app) {
            return Err(ReportError::Refused(format!("the app {} has two artifacts", artifact.app)));
        }
        if !artifact.digest.starts_with("sha256:") {
            return Err(ReportError::Refused(format!("the artifact of {} has no sha256 digest", artifact.app)));
        }
        let is_odd = |(kind, digest): (&String, &String)| kind.len() > 40 || digest.len() > 100;
        if artifact.attached.len() > MOST_ATTACHED || artifact.attached.iter().any(is_odd) {
            return Err(ReportError::Refused(format!(
                "what is attached to {} is not told as it should be",
                artifact.app
            )));
        }
    }
    Ok(())
}

/// A job that claims success has a result for every step, and none of them failed.
async fn all_steps_ended(tx: &mut Tx, job: &Job) -> Result<(), ReportError> {
    for step in store::steps::of_job(&mut tx.conn(), &job.id).await? {
        if step.attempt == job.attempt && !matches!(step.state, StepState::Succeeded | StepState::Skipped) {
            return Err(ReportError::Refused(format!(
                "the job cannot have succeeded: its step {} ({}) is {}",
                step.position, step.name, step.state
            )));
        }
    }
    Ok(())
}
