//! One delivery, with all that it causes.

use super::{NewDelivery, Received, Verdict};
use crate::{
    builds::{self, Created},
    deliveries::{Word, merge_ref},
    events::NewEvent,
    ids::{BuildId, DeliveryId, RepositoryId},
    store::{
        StoreError, Tx,
        deliveries::{self, Delivery, DeliveryState},
        pull_requests,
    },
};

/// What acting upon a delivery led to.
pub(super) struct Effect {
    pub(super) state: DeliveryState,
    pub(super) reason: Option<String>,
    pub(super) build: Option<(BuildId, i64)>,
}

/// Stores a delivery and what it causes; `packed` is its compressed payload.
pub(super) async fn receive(tx: &mut Tx, new: &NewDelivery, packed: &[u8]) -> Result<Received, StoreError> {
    if let Some(delivery) = deliveries::by_forge_id(&mut tx.conn(), &new.repository, &new.forge_id).await? {
        return Ok(Received::Duplicate { delivery });
    }
    let effect = act(tx, &new.verdict, &new.repository).await?;
    let delivery = Delivery {
        id: DeliveryId::new(),
        repository_id: new.repository.clone(),
        forge_id: new.forge_id.clone(),
        event: new.event.clone(),
        state: effect.state,
        reason: effect.reason,
        build_id: effect.build.as_ref().map(|(id, _)| id.clone()),
        build_number: effect.build.as_ref().map(|(_, number)| *number),
        received_at: tx.now(),
        again_of: None,
    };
    if !deliveries::insert(tx, &delivery, packed, &new.headers).await? {
        // Another server stored the same delivery between our look and now; the caller undoes and looks again.
        return Err(StoreError::Conflict { what: "delivery", which: new.forge_id.clone() });
    }
    note(tx, &delivery);
    let ignored = if effect.state == DeliveryState::Ignored { delivery.reason } else { None };
    Ok(Received::Stored { delivery: delivery.id, build: delivery.build_number, ignored })
}

/// Tells everyone that a delivery is stored.
pub(super) fn note(tx: &mut Tx, delivery: &Delivery) {
    let mut noted = NewEvent::new("delivery.stored")
        .repository(&delivery.repository_id)
        .with("delivery", &delivery.id)
        .with("event", &delivery.event)
        .with("state", delivery.state)
        .with("reason", &delivery.reason);
    noted.build = delivery.build_id.clone();
    tx.emit(noted);
}

/// Does what a delivery asks for.
pub(super) async fn act(tx: &mut Tx, verdict: &Verdict, repository: &RepositoryId) -> Result<Effect, StoreError> {
    Ok(match verdict {
        Verdict::Ignored { reason } => {
            Effect { state: DeliveryState::Ignored, reason: Some(reason.clone()), build: None }
        }
        Verdict::Skipped { git_ref, commit, before } => {
            builds::skip(tx, repository, git_ref, commit, before.as_deref()).await?;
            let reason = "its commit's message asks not to be built (such as [skip ci])".to_owned();
            Effect { state: DeliveryState::Ignored, reason: Some(reason), build: None }
        }
        Verdict::RefDeleted { git_ref } => {
            let why = if git_ref.starts_with("refs/tags/") { "its tag was deleted" } else { "its branch was deleted" };
            let cancelled = builds::ref_gone(tx, repository, git_ref, why).await?;
            ended(&format!("{git_ref} was deleted"), cancelled)
        }
        Verdict::PullRequestClosed(word) => match outdated(tx, repository, *word).await? {
            Some(late) => late,
            None => {
                let why = "its pull request was closed";
                let cancelled = builds::ref_gone(tx, repository, &merge_ref(word.number), why).await?;
                ended(&format!("pull request {} was closed", word.number), cancelled)
            }
        },
        Verdict::PullRequest { word, build } => match outdated(tx, repository, *word).await? {
            Some(late) => late,
            None => created(builds::create(tx, build).await?),
        },
        Verdict::Build(build) => created(builds::create(tx, build).await?),
    })
}

/// What becomes of a word about a pull request that comes after a newer one: nothing. None when it is the newest.
async fn outdated(tx: &mut Tx, repository: &RepositoryId, word: Word) -> Result<Option<Effect>, StoreError> {
    if pull_requests::note(tx, repository, word).await? {
        return Ok(None);
    }
    let reason = format!("a later word about pull request {} was delivered first", word.number);
    Ok(Some(Effect { state: DeliveryState::Ignored, reason: Some(reason), build: None }))
}

fn created(created: Created) -> Effect {
    match created {
        Created::Queued(build) => {
            Effect { state: DeliveryState::Accepted, reason: None, build: Some((build.id, build.number)) }
        }
        Created::Already(build) => Effect {
            state: DeliveryState::Ignored,
            reason: Some(format!("already built as #{}", build.number)),
            build: Some((build.id, build.number)),
        },
        Created::Crowded => Effect {
            state: DeliveryState::Ignored,
            reason: Some(
                "too many builds of the repository wait for an approval: decide on some of them, then deal with this \
                 delivery again"
                    .to_owned(),
            ),
            build: None,
        },
        Created::Overtaken(newer) => Effect {
            state: DeliveryState::Ignored,
            reason: Some(format!("the push after this one was delivered first and led to #{}", newer.number)),
            build: None,
        },
    }
}

/// The end of a ref, with what was being built of it.
fn ended(what: &str, cancelled: usize) -> Effect {
    let reason = match cancelled {
        0 => format!("{what}; nothing of it was being built"),
        1 => format!("{what}; 1 build of it was cancelled"),
        many => format!("{what}; {many} builds of it were cancelled"),
    };
    Effect { state: DeliveryState::Accepted, reason: Some(reason), build: None }
}
