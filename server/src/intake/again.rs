//! Dealing once more with a delivery that is stored: its bytes are read anew, and the effect is a delivery of its own.

use super::{
    Verdict,
    receive::{Effect, act, note},
};
use crate::{
    builds::{self, Again},
    deliveries::merge_ref,
    ids::DeliveryId,
    store::{
        self, StoreError, Tx,
        deliveries::{self, Delivery, DeliveryState},
    },
};

/// What a delivery says that is dealt with once more stands here in place of the forge's id: the forge sent nothing.
const OWN: &str = "slipway";

/// Deals with a stored delivery once more. What was built of its commit is not built again, unless `build_again` says so
/// and its commit is still the newest of its ref. Nothing is done where its ref has been pushed or deleted since: an old
/// word must not undo a newer one.
///
/// # Errors
/// When the database fails.
pub async fn deal_again(
    tx: &mut Tx,
    original: &Delivery,
    verdict: &Verdict,
    build_again: bool,
) -> Result<Delivery, StoreError> {
    store::repositories::hold(tx, &original.repository_id).await?;
    let effect = match overtaken(tx, original, verdict).await? {
        Some(reason) => Effect { state: DeliveryState::Ignored, reason: Some(reason), build: None },
        None => match act(tx, verdict, &original.repository_id).await? {
            already @ Effect { state: DeliveryState::Ignored, build: Some(_), .. } if build_again => {
                built_again(tx, already).await?
            }
            effect => effect,
        },
    };
    let id = DeliveryId::new();
    let delivery = Delivery {
        repository_id: original.repository_id.clone(),
        forge_id: format!("{OWN}-{id}"),
        event: original.event.clone(),
        state: effect.state,
        reason: effect.reason,
        build_id: effect.build.as_ref().map(|(id, _)| id.clone()),
        build_number: effect.build.map(|(_, number)| number),
        received_at: tx.now(),
        again_of: Some(original.id.clone()),
        id,
    };
    deliveries::insert_again(tx, &delivery, &original.id).await?;
    note(tx, &delivery);
    Ok(delivery)
}

/// What has become of the delivery's ref since it was received, if anything: a sentence for people.
async fn overtaken(tx: &mut Tx, original: &Delivery, verdict: &Verdict) -> Result<Option<String>, StoreError> {
    let git_ref = match verdict {
        Verdict::Build(build) | Verdict::PullRequest { build, .. } => build.git_ref.clone(),
        Verdict::Skipped { git_ref, .. } | Verdict::RefDeleted { git_ref } => git_ref.clone(),
        Verdict::PullRequestClosed(word) => merge_ref(word.number),
        Verdict::Ignored { .. } => return Ok(None),
    };
    let head = store::repositories::head(&mut tx.conn(), &original.repository_id, &git_ref).await?;
    let Some(head) = head else { return Ok(None) };
    if head.deleted_at.is_some_and(|at| at > original.received_at) {
        return Ok(Some(format!("{git_ref} was deleted after it was delivered")));
    }
    let own = match verdict {
        Verdict::Build(build) => build.commit_sha.as_str(),
        Verdict::Skipped { commit, .. } => commit,
        Verdict::RefDeleted { .. } => "",
        Verdict::PullRequest { .. } | Verdict::PullRequestClosed(_) | Verdict::Ignored { .. } => return Ok(None),
    };
    if head.stands_at() == own {
        return Ok(None);
    }
    let newest = store::builds::find(&mut tx.conn(), &head.build_id).await?;
    // What was built since may be this very commit, which somebody asked for.
    let newer = newest.filter(|newest| newest.created_at > original.received_at && newest.commit_sha != own);
    if let Some(newer) = newer {
        return Ok(Some(format!("{git_ref} was pushed after it was delivered, and led to #{}", newer.number)));
    }
    // A push whose commit asked not to be built moves a ref as well.
    let has_moved = head.moved_at.is_some_and(|at| at > original.received_at);
    Ok(has_moved.then(|| format!("{git_ref} was pushed after it was delivered")))
}

/// Has a commit built again that was built before, as far as that may be.
async fn built_again(tx: &mut Tx, already: Effect) -> Result<Effect, StoreError> {
    let Some((id, number)) = &already.build else { return Ok(already) };
    let Some(build) = store::builds::find(&mut tx.conn(), id).await? else { return Ok(already) };
    Ok(match builds::again(tx, &build).await? {
        Again::Queued(build) => {
            let reason = format!("its commit, which was built as #{number}, is built again");
            Effect { state: DeliveryState::Accepted, reason: Some(reason), build: Some((build.id, build.number)) }
        }
        Again::Refused(why) => {
            Effect { reason: Some(format!("already built as #{number}, and not again: {why}")), ..already }
        }
    })
}
