//! What becomes of an environment whose rollout was given up halfway: no runner is left that could return it.

use super::{
    By, ReleaseKind, ReleaseState,
    bake::{good_before, is_breached, was_left},
    create::{NewRelease, create},
    judge::ACTOR,
};
use crate::store::{self, StoreError, Tx, releases::Release};

/// What brings the environment to a whole state again.
pub(crate) enum Next {
    /// The release that waits already; its rollout converges from whatever is there.
    Waiting(i64),
    /// A rollout of what is live, which is queued for it.
    Live(Box<Release>),
    /// What was live before what is, as that was found wanting: the number of its release.
    Earlier(i64),
    /// Nothing does by itself.
    Nothing,
}

impl Next {
    /// What people are told.
    pub(crate) fn told(&self) -> String {
        match self {
            Next::Waiting(number) => format!("release {number} follows and sets the environment right"),
            Next::Live(live) => format!("the environment returns to release {}, which was live", live.number),
            Next::Earlier(number) => {
                format!("the environment returns to release {number}, as what is live was found wanting")
            }
            Next::Nothing => {
                "parts of it may still run: release again, or roll back, to set the environment right".to_owned()
            }
        }
    }
}

/// What follows when this rollout is given up. A return that is given up itself is not tried for ever.
pub(crate) async fn after_giving_up(tx: &mut Tx, release: &Release) -> Result<Next, StoreError> {
    let unsettled = store::releases::unsettled(&mut tx.conn(), &release.environment_id).await?;
    if let Some(waiting) = unsettled.iter().rfind(|other| other.id != release.id && other.state != ReleaseState::Held) {
        return Ok(Next::Waiting(waiting.number));
    }
    if release.kind == ReleaseKind::Rollback && release.actor == ACTOR {
        return Ok(Next::Nothing);
    }
    let Some(live) = store::releases::live(&mut tx.conn(), &release.environment_id).await? else {
        return Ok(Next::Nothing);
    };
    let may_leave = is_breached(&mut tx.conn(), &live).await? && !was_left(&mut tx.conn(), &live).await?;
    let earlier = if may_leave { good_before(&mut tx.conn(), &release.environment_id, &live).await? } else { None };
    Ok(earlier.map_or_else(|| Next::Live(Box::new(live)), Next::Earlier))
}

/// Queues what follows, where that is a return.
pub(crate) async fn return_to(tx: &mut Tx, given_up: &Release, next: Next) -> Result<(), StoreError> {
    let live = match next {
        Next::Live(live) => live,
        Next::Earlier(_) => match stays(tx, given_up).await? {
            Some(live) => live,
            None => return Ok(()),
        },
        Next::Waiting(_) | Next::Nothing => return Ok(()),
    };
    let environment = store::environments::lock(tx, &given_up.environment_id).await?;
    let build = store::builds::find(&mut tx.conn(), &live.build_id).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", &live.build_id))?;
    let reason = format!("release {} was given up halfway", given_up.number);
    let new = NewRelease {
        environment: &environment,
        kind: ReleaseKind::Rollback,
        build: &build,
        source: Some(&live),
        by: By { actor: ACTOR, reason: Some(&reason) },
        apps: live.content.0.clone(),
        dedup_key: format!("return {} {}", environment.id, given_up.id),
    };
    create(tx, new).await?;
    Ok(())
}

/// What is live, where the return to what was before it was refused: whole as it was is better than half of each.
async fn stays(tx: &mut Tx, given_up: &Release) -> Result<Option<Box<Release>>, StoreError> {
    let unsettled = store::releases::unsettled(&mut tx.conn(), &given_up.environment_id).await?;
    if unsettled.iter().any(|release| release.state != ReleaseState::Held) {
        return Ok(None);
    }
    Ok(store::releases::live(&mut tx.conn(), &given_up.environment_id).await?.map(Box::new))
}
