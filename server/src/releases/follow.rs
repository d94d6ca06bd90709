//! What follows a successful build: its environments are defined, and those that take its branch get a release.

use slipway_pipelines::{
    config::{Event, Source},
    plan::ReleasePlan,
};
use slipway_runner::coordinator::Artifact;

use super::{
    By, ReleaseKind,
    content::{self, Content},
    create::{NewRelease, create},
    judge::ACTOR,
};
use crate::{
    environments,
    events::NewEvent,
    schedules,
    store::{self, StoreError, Tx, builds::Build},
};

/// Lets a build that just succeeded have its effects.
///
/// 1. An older build than one that succeeded before on the same ref has none: it would turn the clock back.
///    Nor has one that somebody asked for at another commit than its branch's newest.
/// 2. A build of the default branch defines the environments and the schedules; others leave them as they are.
/// 3. Every environment that takes the build's branch gets a release of its artifacts, unless a newer build succeeded
///    while this waited for the environment, or something stands against it. The build says what that was.
///
/// # Errors
/// When the database fails.
pub(crate) async fn follow_build(
    tx: &mut Tx,
    build: &Build,
    artifacts: &[Artifact],
    plan: &ReleasePlan,
) -> Result<(), StoreError> {
    let Some(branch) = build.branch() else { return Ok(()) };
    if is_overtaken(tx, build).await? || is_behind(tx, build).await? {
        return Ok(());
    }
    let repository = store::repositories::find(&mut tx.conn(), &build.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &build.repository_id))?;
    if branch == repository.default_branch {
        environments::define(tx, &repository.id, &plan.environments).await?;
        schedules::define(tx, &repository, &plan.schedules).await?;
    }
    let mut withheld = Vec::new();
    for environment in store::environments::of_repository(&mut tx.conn(), &repository.id).await? {
        let takes_it = matches!(&environment.source.0, Source::Branch { branch: taken } if taken == branch);
        if !takes_it || environment.removed_at.is_some() {
            continue;
        }
        let environment = store::environments::lock(tx, &environment.id).await?;
        if is_overtaken(tx, build).await? {
            return Ok(());
        }
        let apps = match content::of_build(tx, &environment, build, artifacts, plan).await? {
            Content::Apps(apps) => apps,
            Content::Nothing => continue,
            Content::Withheld(reason) => {
                withheld.push(format!("nothing is released to {}: {reason}", environment.name));
                continue;
            }
        };
        let new = NewRelease {
            environment: &environment,
            kind: ReleaseKind::Build,
            build,
            source: None,
            by: By::name(ACTOR),
            apps,
            dedup_key: format!("build {} {}", environment.id, build.id),
        };
        match create(tx, new).await {
            Ok(_) => {}
            Err(StoreError::Refused(why)) => {
                withheld.push(format!("nothing is released to {}: {why}", environment.name));
            }
            Err(error) => return Err(error),
        }
    }
    if !withheld.is_empty() {
        note_not_released(tx, build, &withheld.join("; ")).await?;
    }
    Ok(())
}

/// Whether a newer build of the same ref has succeeded; if so, that is noted.
async fn is_overtaken(tx: &mut Tx, build: &Build) -> Result<bool, StoreError> {
    let newest = store::builds::last_success(&mut tx.conn(), &build.repository_id, &build.git_ref).await?;
    let is_overtaken = newest.is_some_and(|newest| newest > build.number);
    if is_overtaken {
        note_not_released(tx, build, "it is not released: a newer build of its branch succeeded before it").await?;
    }
    Ok(is_overtaken)
}

/// Whether somebody asked for a commit that is not where its branch stands; if so, that is noted. What captain.yml said of
/// environments back then, and who may release there, is not brought back by a build: that is what promotions and rollbacks are for.
async fn is_behind(tx: &mut Tx, build: &Build) -> Result<bool, StoreError> {
    if build.event != Event::Manual.name() {
        return Ok(false);
    }
    let head = store::repositories::head(&mut tx.conn(), &build.repository_id, &build.git_ref).await?;
    let is_behind = head.is_some_and(|head| head.commit_sha != build.commit_sha);
    if is_behind {
        let reason = "it is not released: its commit is not its branch's newest; promote or roll back instead";
        note_not_released(tx, build, reason).await?;
    }
    Ok(is_behind)
}

/// Says, with the build, why nothing came of it.
async fn note_not_released(tx: &mut Tx, build: &Build, reason: &str) -> Result<(), StoreError> {
    store::builds::set_reason(tx, &build.id, reason).await?;
    tx.emit(
        NewEvent::new("build.not_released")
            .repository(&build.repository_id)
            .build(&build.id)
            .with("number", build.number)
            .with("reason", reason),
    );
    Ok(())
}
