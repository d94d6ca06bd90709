//! Judging what is live while it bakes: while another environment asks that it has been live for a while before it follows.

use slipway_pipelines::config::Source;
use slipway_runner::coordinator::Bake;

use super::{
    By, DecisionKind, ReleaseError, ReleaseKind, ReleaseState,
    content::is_same,
    history::way_back,
    hold::note_decision,
    judge::ACTOR,
    life::{Life, life},
    lifecycle,
    rollback::rollback,
    usual::usual,
};
use crate::{
    ids::{EnvironmentId, RepositoryId},
    store::{self, Conn, StoreError, Tx, environments::Environment, releases::Release},
};

/// How many of the newest releases are looked at for a return that was tried.
const NEWER: i64 = 100;

/// How much longer what is live in an environment bakes at `now`, and within which limits: the lowest of its strategy's and of
/// those that follow it. None where no environment asks for it, where the time is over, and where it was found wanting
/// already. What is the way out of something is not judged: it could only lead further back. What was made anew meanwhile
/// goes on baking.
pub(crate) async fn bakes_for(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    environment: &str,
    live: &Release,
    now: i64,
) -> Result<Option<Bake>, StoreError> {
    let life = life(conn, live).await?;
    if life.first.kind.is_way_out() {
        return Ok(None);
    }
    let all = store::environments::of_repository(conn, repository).await?;
    let follows = |source: &Source| matches!(source, Source::Environment { environment: from } if from == environment);
    let followers = || all.iter().filter(|it| it.removed_at.is_none() && follows(&it.source.0));
    let Some(asked) = followers().map(|it| it.protection.bake_ms(it.settings.bake_ms)).max() else { return Ok(None) };
    let until = life.since().saturating_add(i64::try_from(asked).unwrap_or(i64::MAX));
    let left_ms = u64::try_from(until - now).unwrap_or_default();
    if left_ms == 0 || breach_of(conn, &life).await?.is_some() {
        return Ok(None);
    }
    let limits = followers()
        .fold(live.strategy.limits(), |limits, it| limits.and(it.protection.bake_limits(it.settings.bake_limits)));
    let usual = usual(conn, &life.first).await?;
    Ok(Some(Bake { left_ms, whole_ms: asked, limits, strategy: live.strategy.0.clone(), usual }))
}

/// What was found wanting of a release while it baked, before it was made anew or after.
pub(super) async fn breach_of(conn: &mut Conn<'_>, life: &Life) -> Result<Option<String>, StoreError> {
    for release in life.releases() {
        let decisions = store::decisions::of_release(conn, &release.id).await?;
        if let Some(breach) = decisions.into_iter().find(|decision| decision.kind == DecisionKind::Breached) {
            return Ok(Some(breach.reason.unwrap_or_default()));
        }
    }
    Ok(None)
}

/// What is live was found wanting: it follows nowhere, and the environment returns to what was live before, unless something
/// newer is on its way there. What is told again, or too late, changes nothing.
pub(crate) async fn breached(
    tx: &mut Tx,
    environment: &EnvironmentId,
    live: &Release,
    found: &str,
) -> Result<(), StoreError> {
    let environment = store::environments::lock(tx, environment).await?;
    let now = tx.now();
    let left = bakes_for(&mut tx.conn(), &environment.repository_id, &environment.name, live, now).await?;
    if left.is_none() {
        return Ok(());
    }
    note_decision(tx, live, DecisionKind::Breached, ACTOR, Some(found)).await?;
    lifecycle::note_why(tx, live, "release.breached", Some(found)).await?;
    go_back(tx, &environment, live).await
}

/// A release came to nothing where what is live was found wanting while that release was on its way: the return that it
/// stood against begins. One return is tried, not one after the other.
pub(crate) async fn return_from_breached(tx: &mut Tx, ended: &Release) -> Result<(), StoreError> {
    let Some(live) = store::releases::live(&mut tx.conn(), &ended.environment_id).await? else { return Ok(()) };
    if !is_breached(&mut tx.conn(), &live).await? {
        return Ok(());
    }
    let environment = store::environments::lock(tx, &ended.environment_id).await?;
    if was_left(&mut tx.conn(), &live).await? {
        return Ok(());
    }
    go_back(tx, &environment, &live).await
}

/// Whether leaving what is live was tried already by itself.
pub(super) async fn was_left(conn: &mut Conn<'_>, live: &Release) -> Result<bool, StoreError> {
    let newer = store::releases::list(conn, &live.environment_id, None, NEWER).await?;
    let is_try = |release: &Release| is_own_return(release) && !leads_back(release, live);
    Ok(newer.iter().take_while(|release| release.number > live.number).any(is_try))
}

fn is_own_return(release: &Release) -> bool {
    release.kind == ReleaseKind::Rollback && release.actor == ACTOR
}

/// Whether it makes anew what is live, because something newer was given up: that is no way out of it.
fn leads_back(release: &Release, live: &Release) -> bool {
    is_own_return(release) && release.source_release_id.as_ref() == Some(&live.id)
}

/// Whether a release was found wanting while it baked.
pub(super) async fn is_breached(conn: &mut Conn<'_>, release: &Release) -> Result<bool, StoreError> {
    let life = life(conn, release).await?;
    Ok(breach_of(conn, &life).await?.is_some())
}

/// Returns to what was live before, unless something newer is on its way.
async fn go_back(tx: &mut Tx, environment: &Environment, live: &Release) -> Result<(), StoreError> {
    let unsettled = store::releases::unsettled(&mut tx.conn(), &environment.id).await?;
    if unsettled.iter().any(|release| release.state != ReleaseState::Held && !leads_back(release, live)) {
        return Ok(());
    }
    let repository = store::repositories::find(&mut tx.conn(), &environment.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &environment.repository_id))?;
    let Some(good) = good_before(&mut tx.conn(), &environment.id, live).await? else { return Ok(()) };
    let life = life(&mut tx.conn(), live).await?;
    let found = breach_of(&mut tx.conn(), &life).await?;
    let by = By { actor: ACTOR, reason: found.as_deref() };
    match Box::pin(rollback(tx, &repository, &environment.name, Some(good), by)).await {
        Ok(_) => Ok(()),
        Err(ReleaseError::Store(error)) if !matches!(error, StoreError::Refused(_)) => Err(error),
        Err(refused) => {
            tracing::warn!(environment = %environment.name, %refused, "what was found wanting stays live");
            Ok(())
        }
    }
}

/// The number of the release that was live before, holds something else, and was not found wanting itself.
pub(super) async fn good_before(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    live: &Release,
) -> Result<Option<i64>, StoreError> {
    for number in way_back(conn, environment).await?.into_iter().skip(1) {
        let Some(earlier) = store::releases::by_number(conn, environment, number).await? else { continue };
        if !is_same(&earlier.content, &live.content) && !is_breached(conn, &earlier).await? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}
