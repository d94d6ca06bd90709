//! Promotion by itself: what has been live in the source for long enough, once.

use super::{By, ReleaseError, judge::ACTOR, life::life, promote::promote};
use crate::store::{self, Conn, Store, StoreError, environments::Environment, releases::Release};
use slipway_pipelines::config::Source;

/// What is to be promoted to an environment by itself.
#[derive(Debug, Clone, PartialEq)]
enum Due {
    /// Nothing.
    Nothing,
    /// Something, but not before this moment.
    At(i64),
    /// What is live in the source.
    Now,
}

/// Promotes to the environment what is due; tells when something will be. The very release that was promoted there
/// already is not promoted again, whatever became of it, and though it was made anew meanwhile: so nobody's rollback is
/// undone, and nothing that failed is tried for ever.
pub(super) async fn promote_what_is_due(
    store: &Store,
    environment: &Environment,
    now: i64,
) -> Result<Option<i64>, StoreError> {
    let due = {
        let mut reader = store.read().await?;
        due(&mut reader.conn(), environment, now).await?
    };
    match due {
        Due::Nothing => return Ok(None),
        Due::At(moment) => return Ok(Some(moment)),
        Due::Now => {}
    }
    let mut tx = store.write().await?;
    let environment = store::environments::lock(&mut tx, &environment.id).await?;
    // Another server, or a person, may have been faster.
    if due_now(&mut tx.conn(), &environment, now).await? {
        let repository = store::repositories::find(&mut tx.conn(), &environment.repository_id).await?;
        let repository = repository.ok_or_else(|| StoreError::missing("repository", &environment.repository_id))?;
        let by = By { actor: ACTOR, reason: Some("the environment follows by itself") };
        match promote(&mut tx, &repository, &environment.name, by).await {
            Ok(_) => tx.commit().await?,
            Err(ReleaseError::Store(error)) if !matches!(error, StoreError::Refused(_)) => return Err(error),
            Err(refused) => tracing::debug!(environment = %environment.name, %refused, "nothing is promoted by itself"),
        }
    }
    Ok(None)
}

async fn due_now(conn: &mut Conn<'_>, environment: &Environment, now: i64) -> Result<bool, StoreError> {
    Ok(environment.settings.auto && environment.removed_at.is_none() && due(conn, environment, now).await? == Due::Now)
}

async fn due(conn: &mut Conn<'_>, environment: &Environment, now: i64) -> Result<Due, StoreError> {
    let Some(live) = live_in_source(conn, environment).await? else { return Ok(Due::Nothing) };
    let life = life(conn, &live).await?;
    for release in life.releases() {
        if store::releases::was_promoted(conn, &environment.id, &release.id).await? {
            return Ok(Due::Nothing);
        }
    }
    let bake = environment.protection.bake_ms(environment.settings.bake_ms);
    let bake = i64::try_from(bake).unwrap_or(i64::MAX);
    let baked = life.since().saturating_add(bake);
    Ok(if baked > now { Due::At(baked) } else { Due::Now })
}

async fn live_in_source(conn: &mut Conn<'_>, environment: &Environment) -> Result<Option<Release>, StoreError> {
    let Source::Environment { environment: source } = &environment.source.0 else { return Ok(None) };
    match store::environments::by_name(conn, &environment.repository_id, source).await? {
        Some(source) => store::releases::live(conn, &source.id).await,
        None => Ok(None),
    }
}
