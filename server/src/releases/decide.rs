//! What people say of a release that is held: yes or no.

use super::{
    By, DecisionKind, ReleaseError, ReleaseEvent, ReleaseState,
    decision::last_word,
    gate::author_counts,
    hold::{judge_again, note_decision},
    judge::{authors, rules},
    lifecycle,
    promote::named,
};
use crate::{
    environments::same_person,
    store::{self, StoreError, Tx, environments::Environment, releases::Release, repositories::Repository},
};

/// The longest reason that is kept, in characters.
const REASON_LIMIT: usize = 1_000;

/// Agrees to release `number` of the environment, which is held. With the last person who was asked for, and where
/// nothing else stands against it, it is admitted in the same moment. Saying so twice is saying so once.
///
/// # Errors
/// [`ReleaseError`] says why that is not this person's to say, or not to be said now.
pub async fn approve(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    number: i64,
    by: By<'_>,
) -> Result<Release, ReleaseError> {
    let (environment, release) = found(tx, repository, environment, number).await?;
    let said = said(tx, &release, by.actor).await?;
    if said == Some(DecisionKind::Approved) {
        return Ok(release);
    }
    expect_held(&environment, &release)?;
    if !environment.protection.lets_approve(by.actor) {
        return Err(ReleaseError::NoApprover {
            environment: environment.name.clone(),
            approvers: environment.protection.approvers.join(", "),
        });
    }
    let own = authors(&mut tx.conn(), &environment, &release).await?.iter().any(|author| same_person(author, by.actor));
    if own && !author_counts(rules(&environment)) {
        return Err(ReleaseError::OwnRelease { environment: environment.name.clone(), person: by.actor.to_owned() });
    }
    note_decision(tx, &release, DecisionKind::Approved, by.actor, shortened(by.reason).as_deref()).await?;
    lifecycle::note(tx, &release, "release.approved").await?;
    judge_again(tx, &release.id).await?;
    again(tx, &release).await
}

/// Refuses release `number` of the environment, which is held: it will not be rolled out. Anyone who may change things
/// may; promoting it again makes another release.
///
/// # Errors
/// [`ReleaseError`] says why that cannot be said now.
pub async fn reject(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    number: i64,
    by: By<'_>,
) -> Result<Release, ReleaseError> {
    let (environment, mut release) = found(tx, repository, environment, number).await?;
    if release.state == ReleaseState::Rejected && said(tx, &release, by.actor).await? == Some(DecisionKind::Rejected) {
        return Ok(release);
    }
    expect_held(&environment, &release)?;
    let reason = shortened(by.reason);
    note_decision(tx, &release, DecisionKind::Rejected, by.actor, reason.as_deref()).await?;
    let told = match &reason {
        Some(reason) => format!("rejected by {}: {reason}", by.actor),
        None => format!("rejected by {}", by.actor),
    };
    lifecycle::apply(tx, &mut release, ReleaseEvent::Reject, Some(&told)).await?;
    Ok(release)
}

/// The release, its environment's row locked.
pub(super) async fn found(
    tx: &mut Tx,
    repository: &Repository,
    environment: &str,
    number: i64,
) -> Result<(Environment, Release), ReleaseError> {
    let environment = named(&mut tx.conn(), repository, environment).await?;
    let environment = store::environments::lock(tx, &environment.id).await?;
    let release = store::releases::by_number(&mut tx.conn(), &environment.id, number).await?;
    match release {
        Some(release) => Ok((environment, release)),
        None => Err(ReleaseError::UnknownRelease { environment: environment.name, number }),
    }
}

async fn said(tx: &mut Tx, release: &Release, actor: &str) -> Result<Option<DecisionKind>, StoreError> {
    Ok(last_word(&store::decisions::of_release(&mut tx.conn(), &release.id).await?, actor))
}

fn expect_held(environment: &Environment, release: &Release) -> Result<(), ReleaseError> {
    if release.state == ReleaseState::Held {
        return Ok(());
    }
    let environment = environment.name.clone();
    Err(ReleaseError::NotHeld { environment, number: release.number, state: release.state.as_str() })
}

/// The release as it stands by now.
pub(super) async fn again(tx: &mut Tx, release: &Release) -> Result<Release, ReleaseError> {
    let found = store::releases::find(&mut tx.conn(), &release.id).await?;
    Ok(found.ok_or_else(|| StoreError::missing("release", &release.id))?)
}

pub(super) fn shortened(reason: Option<&str>) -> Option<String> {
    let reason: String = reason?.trim().chars().take(REASON_LIMIT).collect();
    (!reason.is_empty()).then_some(reason)
}
