//! Which of a runner's images releases hold.

use std::collections::BTreeSet;

use slipway_runner::coordinator::{KeptImages, MOST_DIGESTS};

use super::fence::ReportError;
use crate::store::{self, Store};

/// Of the digests asked about, those that a release holds: one that is live, waits or rolls, or is among the newest
/// `offered` of its environment that it can be rolled back to.
pub(super) async fn kept_images(store: &Store, question: KeptImages, offered: u32) -> Result<Vec<String>, ReportError> {
    if question.digests.len() > MOST_DIGESTS {
        return Err(ReportError::Refused(format!("a question names at most {MOST_DIGESTS} digests")));
    }
    let mut kept = BTreeSet::new();
    let asked: BTreeSet<&String> = question.digests.iter().collect();
    let mut after = None;
    loop {
        // A connection is given back between the environments: there are only a few.
        let mut reader = store.read().await?;
        let next = store::releases::environment_behind(&mut reader.conn(), after.as_ref()).await?;
        let Some(environment) = next else { break };
        let contents = store::releases::held(&mut reader.conn(), &environment, i64::from(offered)).await?;
        let digests = contents.into_iter().flat_map(|content| content.0).map(|app| app.digest);
        kept.extend(digests.filter(|digest| asked.contains(digest)));
        after = Some(environment);
    }
    Ok(kept.into_iter().collect())
}
