//! What only a checkout can tell: the commit of a build that was queued for whatever its branch stands at.

use std::collections::BTreeMap;

use slipway_runner::coordinator::{AUTHOR, COMMIT, MESSAGE, TIP};

use super::create::{AUTHOR_LIMIT, MESSAGE_LIMIT};
use crate::{
    deliveries::is_commit,
    events::NewEvent,
    ids::BuildId,
    store::{self, StoreError, Tx},
};

/// Takes over what the checkout step of a build has found out: that its ref is there and, where that was not known, at
/// which commit.
///
/// # Errors
/// When the database fails.
pub(crate) async fn found(tx: &mut Tx, id: &BuildId, facts: &BTreeMap<String, String>) -> Result<(), StoreError> {
    let build = store::builds::find(&mut tx.conn(), id).await?.ok_or_else(|| StoreError::missing("build", id))?;
    if !build.commit_sha.is_empty() {
        // Of a commit that somebody named, only the checkout knows whether its branch has gone on from there.
        let tip = facts.get(TIP).filter(|tip| is_commit(tip));
        store::repositories::find_head(tx, &build, tip.unwrap_or(&build.commit_sha)).await?;
        return match tip {
            Some(tip) => store::repositories::place_head(tx, &build, tip).await,
            None => Ok(()),
        };
    }
    let Some(commit) = facts.get(COMMIT).filter(|commit| is_commit(commit)) else { return Ok(()) };
    let first = |name: &str, chars: usize| {
        facts.get(name).map(|text| text.chars().take(chars).collect::<String>()).unwrap_or_default()
    };
    let (author, message) = (first(AUTHOR, AUTHOR_LIMIT), first(MESSAGE, MESSAGE_LIMIT));
    store::builds::set_commit(tx, id, commit, &author, &message).await?;
    store::repositories::find_head(tx, &build, commit).await?;
    store::repositories::place_head(tx, &build, commit).await?;
    tx.emit(
        NewEvent::new("build.found")
            .repository(&build.repository_id)
            .build(id)
            .with("number", build.number)
            .with("commit", commit),
    );
    Ok(())
}
