//! Pull requests: what a merge would give is built, as the forge has merged it.
//!
//! GitHub merges in the background and keeps the result under `refs/pull/N/merge`. Right after a push that ref holds the
//! merge of an older tip, or is not there yet; of a pull request that conflicts it never comes. So the merge is known by
//! its parents and by nothing else.

use std::time::{Duration, Instant};

use git2::{Oid, Repository};
use tokio_util::sync::CancellationToken;

use super::{
    CheckoutError, CheckoutRequest, CloneAddress, Watch,
    mirror::{Found, commit_of, fetch_ref},
};

/// The first pause before the forge is asked again; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Patience with a forge that merges in the background.
#[derive(Debug)]
pub(super) struct Waiting {
    until: Instant,
    pause: Duration,
}

impl Waiting {
    pub(super) fn new(patience: Duration) -> Self {
        Waiting { until: Instant::now() + patience, pause: FIRST_PAUSE }
    }

    /// Pauses; false when it is no use to look again.
    pub(super) async fn goes_on(&mut self, cancel: &CancellationToken) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        let waited = cancel.run_until_cancelled(tokio::time::sleep(self.pause)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        waited.is_some()
    }
}

/// Fetches the ref, which must hold a merge of the tip.
pub(super) fn bring(
    repository: &Repository,
    address: &CloneAddress,
    request: &CheckoutRequest,
    tip: Oid,
    watch: &Watch,
) -> Result<Found, CheckoutError> {
    let (is_there, refs) = fetch_ref(repository, address, &request.git_ref, watch)?;
    let name = request.git_ref.strip_prefix("refs/").unwrap_or(&request.git_ref);
    let held = repository.refname_to_id(&format!("refs/slipway/{name}")).ok().filter(|_| is_there);
    let merge = held.and_then(|held| commit_of(repository, held));
    let merged_into = merge.and_then(|merge| merged_into(repository, merge, tip));
    match (merge, merged_into) {
        (Some(commit), Some(base)) => {
            Ok(Found { commit, named: tip, merged_into: Some(base), tip: None, from_mirror: false, refs })
        }
        _ => Err(CheckoutError::NotMerged { name: request.git_ref.clone(), tip: tip.to_string() }),
    }
}

/// The other parent of a merge of the tip; none when it is no such merge.
fn merged_into(repository: &Repository, merge: Oid, tip: Oid) -> Option<Oid> {
    let merge = repository.find_commit(merge).ok()?;
    let parents: Vec<Oid> = merge.parent_ids().collect();
    parents.contains(&tip).then(|| parents.into_iter().find(|parent| *parent != tip)).flatten()
}
