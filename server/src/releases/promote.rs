//! Promotion: releasing to one environment exactly what is live in another.

use std::collections::{BTreeMap, btree_map::Entry};

use slipway_pipelines::{config::Source, plan::ReleasePlan};
use slipway_runner::coordinator::ReleasedApp;

use super::{
    By, ReleaseError, ReleaseKind,
    content::{is_same, own_run_spec},
    create::{NewRelease, create},
};
use crate::{
    secrets::repository::pinned,
    store::{self, Conn, StoreError, Tx, environments::Environment, releases::Release, repositories::Repository},
};

/// Makes the release, to the environment named, of exactly the artifacts that are live in the environment that it
/// takes its releases from, run as the built commit says for the target. Asking again while that release is held, waits
/// or rolls returns it.
///
/// # Errors
/// [`ReleaseError`] says why it was refused, and what to do.
pub async fn promote(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    by: By<'_>,
) -> Result<Release, ReleaseError> {
    let target = locked(tx, repository, environment).await?;
    let (_, promoted) = source_of(&mut tx.conn(), repository, &target).await?;
    if let Some(same) = under_way(tx, &target, ReleaseKind::Promotion, &promoted).await? {
        return Ok(same);
    }
    let build = store::builds::find(&mut tx.conn(), &promoted.build_id).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", &promoted.build_id))?;
    let apps = promoted_apps(&mut tx.conn(), repository, &promoted, &target).await?;
    if let Some(live) = store::releases::live(&mut tx.conn(), &target.id).await?
        && is_same(&live.content, &apps)
        && store::releases::unsettled(&mut tx.conn(), &target.id).await?.is_empty()
    {
        return Err(ReleaseError::AlreadyLive { environment: target.name.clone(), number: live.number });
    }
    let new = NewRelease {
        environment: &target,
        kind: ReleaseKind::Promotion,
        build: &build,
        source: Some(&promoted),
        by,
        apps,
        dedup_key: format!("promotion {} {} {}", target.id, promoted.id, target.last_release_number),
    };
    Ok(create(tx, new).await?)
}

/// Where the target takes its releases from, and what is live there.
pub(super) async fn source_of(
    conn: &mut Conn<'_>,
    repository: &Repository,
    target: &Environment,
) -> Result<(Environment, Release), ReleaseError> {
    let source = match &target.source.0 {
        Source::Branch { branch } => {
            return Err(ReleaseError::FedByBranch { environment: target.name.clone(), branch: branch.clone() });
        }
        Source::Environment { environment } => named(conn, repository, environment).await?,
    };
    match store::releases::live(conn, &source.id).await? {
        Some(live) => Ok((source, live)),
        None => {
            Err(ReleaseError::NothingLive { environment: target.name.clone(), source_environment: source.name.clone() })
        }
    }
}

/// The same artifacts, each run in the target as the commit that made it says, or, where that does not know the target,
/// the commit of the promoted build.
pub(super) async fn promoted_apps(
    conn: &mut Conn<'_>,
    repository: &Repository,
    promoted: &Release,
    target: &Environment,
) -> Result<Vec<ReleasedApp>, StoreError> {
    let released = plan_of(conn, repository, promoted.build_number).await?;
    let mut plans = BTreeMap::new();
    let mut apps = Vec::new();
    for app in promoted.content.iter() {
        let number = app.build.unwrap_or(promoted.build_number);
        let plan = match plans.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(plan_of(conn, repository, number).await?),
        };
        let run = own_run_spec(plan, &released, &target.name, &app.app);
        apps.push(ReleasedApp { run, ..app.clone() });
    }
    pinned(conn, &repository.id, &target.name, apps).await
}

async fn plan_of(conn: &mut Conn<'_>, repository: &Repository, number: i64) -> Result<ReleasePlan, StoreError> {
    let build = store::builds::by_number(conn, &repository.id, number).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", number))?;
    let plan = store::builds::release_plan(conn, &build.id).await?;
    plan.ok_or_else(|| StoreError::missing("release plan of build", number))
}

/// The environment of this name, wherever it stands.
pub(super) async fn named(
    conn: &mut Conn<'_>,
    repository: &Repository,
    name: &str,
) -> Result<Environment, ReleaseError> {
    if let Some(found) = store::environments::by_name(conn, &repository.id, name).await? {
        return Ok(found);
    }
    let known = store::environments::of_repository(conn, &repository.id).await?;
    let names: Vec<&str> = known.iter().map(|environment| environment.name.as_str()).collect();
    Err(ReleaseError::UnknownEnvironment {
        repository: repository.name.clone(),
        environment: name.chars().take(100).collect(),
        known: if names.is_empty() {
            "no build of its default branch has defined any yet".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        },
    })
}

/// The environment of this name, still in captain.yml, its row locked until the transaction ends.
pub(super) async fn locked(tx: &mut Tx, repository: &Repository, name: &str) -> Result<Environment, ReleaseError> {
    let found = named(&mut tx.conn(), repository, name).await?;
    let environment = store::environments::lock(tx, &found.id).await?;
    if environment.removed_at.is_some() {
        return Err(ReleaseError::Removed { environment: environment.name });
    }
    Ok(environment)
}

/// The release of this kind and source that waits or rolls already, if it is the newest of its environment.
pub(super) async fn under_way(
    tx: &mut Tx,
    environment: &Environment,
    kind: ReleaseKind,
    source: &Release,
) -> Result<Option<Release>, StoreError> {
    let unsettled = store::releases::unsettled(&mut tx.conn(), &environment.id).await?;
    let newest = unsettled.into_iter().next_back();
    Ok(newest.filter(|release| release.kind == kind && release.source_release_id.as_ref() == Some(&source.id)))
}
