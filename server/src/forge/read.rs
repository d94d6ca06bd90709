//! What a forge is to show of what the database holds now, put into the outbox.

use super::{Deployment, Report, Status, Statuses};
use crate::{
    ids::{BuildId, EnvironmentId, ReleaseId, StepId},
    releases::proposed_by,
    store::{
        StoreError, Tx, artifacts,
        builds::{self, Build},
        environments, events,
        forge_credentials::SealedCredential,
        forge_reports::{self, NewReport},
        pull_requests, releases,
        repositories::{self, Repository},
        steps::{self, Step},
    },
};

/// How far back it is reported what was built before there was a credential, in milliseconds.
const LATELY_MS: i64 = 24 * 3_600_000;
/// How many refs of a repository are looked at for that.
const REFS: i64 = 20;
/// How many repositories are read at once.
const PORTION: i64 = 100;

/// Puts a build's state into the outbox, as it is now: so the order in which events are read does not matter.
pub(super) async fn build(tx: &mut Tx, repository: &Repository, id: &BuildId, event: i64) -> Result<(), StoreError> {
    let asked = forge_reports::asked(&mut tx.conn(), &repository.id).await?;
    if asked.statuses == Statuses::None {
        return Ok(());
    }
    let Some(build) = builds::find(&mut tx.conn(), id).await? else { return Ok(()) };
    let pushed = artifacts::of_build(&mut tx.conn(), id).await?;
    let apps: Vec<String> = pushed.into_iter().map(|artifact| artifact.app).collect();
    let Some(status) = Status::of_build(&repository.name, &build, &apps) else { return Ok(()) };
    let base = base_of(tx, repository, &build).await?;
    put_status(tx, &build, event, status.into_branch(base.as_deref())).await?;
    let Some(proposed) = proposed_by(&mut tx.conn(), repository, &build).await? else { return Ok(()) };
    let status = Status::of_proposal(&repository.name, &build, &proposed);
    put_status(tx, &build, event, status.into_branch(base.as_deref())).await
}

/// The branch that a build's pull request is to be merged into, where that is not the default one.
async fn base_of(tx: &mut Tx, repository: &Repository, build: &Build) -> Result<Option<String>, StoreError> {
    let pull = pull_requests::of_build(&mut tx.conn(), &build.id).await?;
    Ok(pull.map(|pull| pull.base).filter(|base| *base != repository.default_branch))
}

async fn put_status(tx: &mut Tx, build: &Build, event: i64, status: Status) -> Result<(), StoreError> {
    let new = NewReport {
        repository_id: build.repository_id.clone(),
        build_id: Some(build.id.clone()),
        release_id: None,
        number: build.number,
        event_id: event,
        report: Report::Status(status),
    };
    forge_reports::put(tx, &new).await
}

/// Puts a step of a build into the outbox, as it is now, where that is asked for.
pub(super) async fn step(
    tx: &mut Tx,
    repository: &Repository,
    build: &BuildId,
    id: &StepId,
    event: i64,
) -> Result<(), StoreError> {
    if forge_reports::asked(&mut tx.conn(), &repository.id).await?.statuses != Statuses::Steps {
        return Ok(());
    }
    let Some(build) = builds::find(&mut tx.conn(), build).await? else { return Ok(()) };
    let Some(step) = steps::find(&mut tx.conn(), id).await? else { return Ok(()) };
    let all = steps::of_attempt(&mut tx.conn(), &step.job_id, step.attempt).await?;
    let of = |step: &Step| (step.app.clone(), step.kind, step.name.clone());
    let earlier = all.iter().filter(|other| other.position < step.position && of(other) == of(&step)).count();
    let Some(status) = Status::of_step(&repository.name, &build, &step, earlier + 1) else { return Ok(()) };
    let base = base_of(tx, repository, &build).await?;
    put_status(tx, &build, event, status.into_branch(base.as_deref())).await
}

/// Puts a release into the outbox, as it is now.
pub(super) async fn release(
    tx: &mut Tx,
    repository: &Repository,
    id: &ReleaseId,
    event: i64,
) -> Result<(), StoreError> {
    if !forge_reports::asked(&mut tx.conn(), &repository.id).await?.deployments {
        return Ok(());
    }
    let Some(release) = releases::find(&mut tx.conn(), id).await? else { return Ok(()) };
    let environment = environments::find(&mut tx.conn(), &release.environment_id).await?;
    let Some(environment) = environment else { return Ok(()) };
    let new = NewReport {
        repository_id: repository.id.clone(),
        build_id: None,
        number: release.number,
        event_id: event,
        report: Report::Deployment(Deployment::of_release(&repository.name, &environment.name, &release)),
        release_id: Some(release.id),
    };
    forge_reports::put(tx, &new).await
}

/// What a credential's repositories built and released within the last day is reported with it: what was refused is sent
/// again, and what was not told of yet is put into the outbox.
pub(super) async fn lately(tx: &mut Tx, credential: &SealedCredential) -> Result<(), StoreError> {
    let since = tx.now() - LATELY_MS;
    // Before the rows: so they are as this event left them, or newer.
    let event = events::last_id(&mut tx.conn()).await?;
    let mut after = String::new();
    loop {
        let portion = repositories::list(&mut tx.conn(), &after, PORTION).await?;
        let Some(last) = portion.last() else { return Ok(()) };
        after.clone_from(&last.name);
        for repository in portion.iter().filter(|repository| credential.scope().holds(&repository.name)) {
            forge_reports::try_again(tx, &repository.id, since).await?;
            for head in repositories::heads(&mut tx.conn(), &repository.id, None, REFS).await? {
                if head.build.created_at >= since {
                    build(tx, repository, &head.build.id, event).await?;
                }
            }
            for environment in environments::of_repository(&mut tx.conn(), &repository.id).await? {
                for id in newest(tx, &environment.id, since).await? {
                    release(tx, repository, &id, event).await?;
                }
            }
        }
    }
}

/// What is live in an environment and what was released there last, as far as it was asked for since.
async fn newest(tx: &mut Tx, environment: &EnvironmentId, since: i64) -> Result<Vec<ReleaseId>, StoreError> {
    let live = releases::live(&mut tx.conn(), environment).await?;
    let last = releases::list(&mut tx.conn(), environment, None, 1).await?;
    let new = live.into_iter().chain(last).filter(|release| release.created_at >= since);
    Ok(new.map(|release| release.id).collect())
}
