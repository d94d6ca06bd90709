//! Rollback: releasing again what an earlier release held.

use super::{
    By, ReleaseError, ReleaseKind, ReleaseState,
    content::is_same,
    create::{NewRelease, create},
    history::way_back,
    promote::{named, under_way},
};
use crate::store::{
    self, Conn, StoreError, Tx, environments::Environment, releases::Release, repositories::Repository,
};

/// Queues a release of the environment that holds, image by image and setting by setting, what an earlier one held: number
/// `to`; or else what is live while something newer rolls out; or else what was live before. Rolling back twice goes back two
/// releases. What rolls out is ended. Asking again while that release waits or rolls returns it.
///
/// # Errors
/// [`ReleaseError`] says why it was refused, and what to do.
pub async fn rollback(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    to: Option<i64>,
    by: By<'_>,
) -> Result<Release, ReleaseError> {
    let environment = named(&mut tx.conn(), repository, environment).await?;
    let environment = store::environments::lock(tx, &environment.id).await?;
    let live = store::releases::live(&mut tx.conn(), &environment.id).await?;
    if to.is_none()
        && let Some(pending) = pending_rollback(tx, &environment).await?
    {
        return Ok(pending);
    }
    let wanted = wanted(&mut tx.conn(), &environment, to, live.as_ref()).await?;
    if let Some(same) = under_way(tx, &environment, ReleaseKind::Rollback, &wanted).await? {
        return Ok(same);
    }
    if let Some(live) = live
        && is_same(&live.content, &wanted.content)
        && store::releases::unsettled(&mut tx.conn(), &environment.id).await?.is_empty()
    {
        return Err(ReleaseError::AlreadyLive { environment: environment.name, number: live.number });
    }
    let build = store::builds::find(&mut tx.conn(), &wanted.build_id).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", &wanted.build_id))?;
    let new = NewRelease {
        environment: &environment,
        kind: ReleaseKind::Rollback,
        build: &build,
        source: Some(&wanted),
        by,
        apps: wanted.content.0.clone(),
        dedup_key: format!("rollback {} {} {}", environment.id, wanted.id, environment.last_release_number),
    };
    Ok(create(tx, new).await?)
}

/// What a rollback goes to: the release of this number, or else where one without a number goes.
pub(super) async fn wanted(
    conn: &mut Conn<'_>,
    environment: &Environment,
    to: Option<i64>,
    live: Option<&Release>,
) -> Result<Release, ReleaseError> {
    match to {
        Some(number) => chosen(conn, environment, number).await,
        None => last_good(conn, environment, live).await,
    }
}

/// The release of this number, which must have been live.
async fn chosen(conn: &mut Conn<'_>, environment: &Environment, number: i64) -> Result<Release, ReleaseError> {
    let Some(release) = store::releases::by_number(conn, &environment.id, number).await? else {
        return Err(ReleaseError::UnknownRelease { environment: environment.name.clone(), number });
    };
    match release.state {
        ReleaseState::Live | ReleaseState::Retired => Ok(release),
        state => Err(ReleaseError::NeverLive { environment: environment.name.clone(), number, state: state.as_str() }),
    }
}

/// The rollback that waits or rolls already: a second request without a number means the same one.
async fn pending_rollback(tx: &mut Tx, environment: &Environment) -> Result<Option<Release>, StoreError> {
    let newest = store::releases::unsettled(&mut tx.conn(), &environment.id).await?.into_iter().next_back();
    Ok(newest.filter(|release| release.kind == ReleaseKind::Rollback))
}

/// What a rollback without a number goes to: what is live, while something newer has begun to take its place; else what was
/// live before it.
async fn last_good(
    conn: &mut Conn<'_>,
    environment: &Environment,
    live: Option<&Release>,
) -> Result<Release, ReleaseError> {
    let nothing = || ReleaseError::NothingEarlier { environment: environment.name.clone() };
    let live = live.ok_or_else(nothing)?;
    let unsettled = store::releases::unsettled(conn, &environment.id).await?;
    if unsettled.iter().any(|release| release.started_at.is_some()) {
        return Ok(live.clone());
    }
    before(conn, environment, live).await?.ok_or_else(nothing)
}

/// The release that was live before what is live now and held something else.
async fn before(conn: &mut Conn<'_>, environment: &Environment, live: &Release) -> Result<Option<Release>, StoreError> {
    for number in way_back(conn, &environment.id).await?.into_iter().skip(1) {
        let earlier = store::releases::by_number(conn, &environment.id, number).await?;
        if let Some(earlier) = earlier.filter(|earlier| !is_same(&earlier.content, &live.content)) {
            return Ok(Some(earlier));
        }
    }
    Ok(None)
}
