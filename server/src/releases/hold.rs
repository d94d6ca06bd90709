//! Holding releases at the gate of their environment, and letting them in.

use serde_json::json;

use super::{
    DecisionKind, ReleaseEvent, ReleaseState,
    bake::return_from_breached,
    decision::approving,
    gate::Verdict,
    judge::{ACTOR, judge},
    lifecycle,
    steer::make_way,
};
use crate::{
    ids::ReleaseId,
    queue,
    store::{
        self, Conn, StoreError, Tx,
        decisions::{self, NewDecision},
        environments::Environment,
        releases::Release,
    },
};

/// What the gate says of a held release now, where that is news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// It waits as it did; time alone may change that at this moment.
    None(Option<i64>),
    /// Something else is to be done or said.
    Some,
}

/// Looks at a held release without changing anything.
pub(super) async fn look(conn: &mut Conn<'_>, id: &ReleaseId, now: i64) -> Result<News, StoreError> {
    let Some(release) = store::releases::find(conn, id).await? else { return Ok(News::None(None)) };
    if release.state != ReleaseState::Held {
        return Ok(News::None(None));
    }
    let environment = store::environments::find(conn, &release.environment_id).await?;
    let environment = environment.ok_or_else(|| StoreError::missing("environment", &release.environment_id))?;
    if overtaken_by(conn, &release).await?.is_some() {
        return Ok(News::Some);
    }
    Ok(match judge(conn, &environment, &release, now).await? {
        Verdict::Wait { why, until } if release.reason.as_ref() == Some(&why) => News::None(until),
        _ => News::Some,
    })
}

/// Judges a held release anew, and does what follows from it. One that is held no more is left alone.
pub(super) async fn judge_again(tx: &mut Tx, id: &ReleaseId) -> Result<(), StoreError> {
    let Some(release) = store::releases::find(&mut tx.conn(), id).await? else { return Ok(()) };
    let environment = store::environments::lock(tx, &release.environment_id).await?;
    let Some(mut release) = store::releases::find(&mut tx.conn(), id).await? else { return Ok(()) };
    if release.state != ReleaseState::Held {
        return Ok(());
    }
    if let Some(newer) = overtaken_by(&mut tx.conn(), &release).await? {
        let reason = format!("release {newer} took its place");
        return lifecycle::apply(tx, &mut release, ReleaseEvent::Supersede, Some(&reason)).await;
    }
    let now = tx.now();
    match judge(&mut tx.conn(), &environment, &release, now).await? {
        Verdict::Admit => admit(tx, &environment, &mut release).await,
        Verdict::Refuse { why } => refuse(tx, &mut release, &why).await,
        Verdict::Wait { why, .. } => {
            if release.reason.as_ref() != Some(&why) && store::releases::set_held_reason(tx, id, &why).await? {
                release.reason = Some(why);
                lifecycle::note(tx, &release, "release.waits").await?;
            }
            Ok(())
        }
    }
}

/// A newer release of the environment that is wanted or live: one that was taken out of the queue at the moment in which
/// the newer one came must not undo it.
async fn overtaken_by(conn: &mut Conn<'_>, release: &Release) -> Result<Option<i64>, StoreError> {
    let unsettled = store::releases::unsettled(conn, &release.environment_id).await?;
    let live = store::releases::live(conn, &release.environment_id).await?;
    let others = unsettled.into_iter().chain(live).map(|other| other.number);
    Ok(others.filter(|number| *number > release.number).max())
}

async fn admit(tx: &mut Tx, environment: &Environment, release: &mut Release) -> Result<(), StoreError> {
    let decisions = decisions::of_release(&mut tx.conn(), &release.id).await?;
    let people = approving(&decisions);
    let reason = match people.as_slice() {
        [] => format!("nothing in {} stands against it any more", environment.name),
        people => format!("approved by {}", people.join(", ")),
    };
    note_decision(tx, release, DecisionKind::Admitted, ACTOR, Some(&reason)).await?;
    lifecycle::apply(tx, release, ReleaseEvent::Admit, None).await?;
    make_way(tx, release).await?;
    queue::enqueue_rollout(tx, release).await
}

async fn refuse(tx: &mut Tx, release: &mut Release, why: &str) -> Result<(), StoreError> {
    note_decision(tx, release, DecisionKind::Refused, ACTOR, Some(why)).await?;
    lifecycle::apply(tx, release, ReleaseEvent::Reject, Some(why)).await
}

/// Whether something has come to stand against a release that waits for its rollout; then it is held, or refused, and
/// its job is nobody's any more. A release that has begun goes on, as an environment between two releases is worse.
pub(crate) async fn hold_back(tx: &mut Tx, release: &mut Release) -> Result<bool, StoreError> {
    if release.state != ReleaseState::Queued || release.started_at.is_some() {
        return Ok(false);
    }
    let environment = store::environments::find(&mut tx.conn(), &release.environment_id).await?;
    let environment = environment.ok_or_else(|| StoreError::missing("environment", &release.environment_id))?;
    let now = tx.now();
    match judge(&mut tx.conn(), &environment, release, now).await? {
        Verdict::Admit => return Ok(false),
        Verdict::Wait { why, .. } => {
            lifecycle::apply(tx, release, ReleaseEvent::Hold, Some(&why)).await?;
            note_decision(tx, release, DecisionKind::Held, ACTOR, Some(&why)).await?;
        }
        Verdict::Refuse { why } => {
            lifecycle::apply(tx, release, ReleaseEvent::Hold, Some(&why)).await?;
            refuse(tx, release, &why).await?;
        }
    }
    return_from_breached(tx, release).await?;
    Ok(true)
}

/// Notes a decision about a release.
pub(super) async fn note_decision(
    tx: &mut Tx,
    release: &Release,
    kind: DecisionKind,
    actor: &str,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    let environment = &release.environment_id;
    let new = NewDecision { environment, release: Some(&release.id), kind, actor, reason, detail: json!({}) };
    decisions::insert(tx, new).await
}
