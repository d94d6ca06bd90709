//! Judging what is live while it bakes: while another environment asks that it has been live for a while before it follows.

use slipway_pipelines::config::Source;

use super::{
    DecisionKind, ReleaseError, ReleaseState, content::is_same, hold::note_decision, judge::ACTOR, lifecycle,
    rollback::rollback,
};
use crate::{
    ids::{EnvironmentId, ReleaseId, RepositoryId},
    store::{self, Conn, StoreError, Tx, releases::Release},
};

/// How much longer what is live in an environment bakes at `now`, in milliseconds. None where no environment asks for it,
/// where the time is over, and where it was found wanting already. What is the way out of something is not judged: it could
/// only lead further back.
pub(crate) async fn bakes_for(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    environment: &str,
    live: &Release,
    now: i64,
) -> Result<Option<i64>, StoreError> {
    if live.kind.is_way_out() {
        return Ok(None);
    }
    let all = store::environments::of_repository(conn, repository).await?;
    let follows = |source: &Source| matches!(source, Source::Environment { environment: from } if from == environment);
    let followers = all.iter().filter(|it| it.removed_at.is_none() && follows(&it.source.0));
    let Some(asked) = followers.map(|it| it.settings.bake_ms).max() else { return Ok(None) };
    let until = live.finished_at.unwrap_or(live.created_at).saturating_add(i64::try_from(asked).unwrap_or(i64::MAX));
    if until <= now || breach_of(conn, &live.id).await?.is_some() {
        return Ok(None);
    }
    Ok(Some(until - now))
}

/// What was found wanting of a release while it baked.
pub(super) async fn breach_of(conn: &mut Conn<'_>, release: &ReleaseId) -> Result<Option<String>, StoreError> {
    let decisions = store::decisions::of_release(conn, release).await?;
    let breach = decisions.into_iter().find(|decision| decision.kind == DecisionKind::Breached);
    Ok(breach.map(|breach| breach.reason.unwrap_or_default()))
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
    lifecycle::note(tx, live, "release.breached").await?;
    let unsettled = store::releases::unsettled(&mut tx.conn(), &environment.id).await?;
    if unsettled.iter().any(|release| release.state != ReleaseState::Held) {
        return Ok(());
    }
    let repository = store::repositories::find(&mut tx.conn(), &environment.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &environment.repository_id))?;
    let Some(good) = good_before(&mut tx.conn(), &environment.id, live).await? else { return Ok(()) };
    match rollback(tx, &repository, &environment.name, Some(good.number), ACTOR).await {
        Ok(_) => Ok(()),
        Err(ReleaseError::Store(error)) if !matches!(error, StoreError::Refused(_)) => Err(error),
        Err(refused) => {
            tracing::warn!(environment = %environment.name, %refused, "what was found wanting stays live");
            Ok(())
        }
    }
}

/// The newest release before that was live, holds something else, and was not found wanting itself.
async fn good_before(
    conn: &mut Conn<'_>,
    environment: &EnvironmentId,
    live: &Release,
) -> Result<Option<Release>, StoreError> {
    let mut number = live.number;
    while let Some(candidate) = store::releases::earlier_live(conn, environment, number).await? {
        if !is_same(&candidate.content, &live.content) && breach_of(conn, &candidate.id).await?.is_none() {
            return Ok(Some(candidate));
        }
        number = candidate.number;
    }
    Ok(None)
}
