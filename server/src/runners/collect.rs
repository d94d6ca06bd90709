//! Asking the runners what they keep between jobs, and to collect what they keep no longer.

use std::time::Duration;

use slipway_runner::coordinator::{CollectionOrder, Stored};
use tokio::time::{Instant, timeout_at};

use super::Presence;
use crate::store::{self, Store, StoreError};

/// After how many milliseconds nobody waits for the answers to an order any more, whatever became of who gave it.
const STALE_MS: i64 = 10 * 60 * 1_000;

/// What a runner answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its name.
    pub runner: String,
    /// What it keeps and what of it goes; none where it did not answer in time.
    pub stored: Option<Vec<Stored>>,
}

/// Asks every runner what it keeps, and unless it is a `dry_run` to collect what is due of it. One that is silent is not
/// waited for, and nobody for longer than `patience`; who has not begun by then does not begin any more.
///
/// The order waits in the database, where whichever server the runner asks for work finds it.
///
/// # Errors
/// When the database fails.
pub async fn ask_to_collect(store: &Store, dry_run: bool, patience: Duration) -> Result<Vec<Answered>, StoreError> {
    let deadline = Instant::now() + patience;
    let order = CollectionOrder { id: ulid::Ulid::generate().to_string(), dry_run };
    let mut asked = Vec::new();
    let now = store.lease_time().await?;
    let mut tx = store.write().await?;
    let stale = tx.now() - STALE_MS;
    for runner in store::runners::list(&mut tx.conn()).await? {
        let is_there = match Presence::of(&runner, now) {
            Presence::Present | Presence::Draining | Presence::Drained => true,
            Presence::Silent => false,
            Presence::Expected | Presence::Gone => continue,
        };
        if is_there {
            store::collection_orders::give(&mut tx, &runner.id, &order, stale).await?;
        }
        asked.push((runner, is_there));
    }
    tx.commit().await?;
    let mut bell = store.bells().queue();
    loop {
        bell.borrow_and_update();
        let mut answers = Vec::with_capacity(asked.len());
        let mut is_whole = true;
        for (runner, is_there) in &asked {
            let mut reader = store.read().await?;
            let stored = store::collection_orders::reported(&mut reader.conn(), &runner.id, &order.id).await?;
            is_whole &= stored.is_some() || !is_there;
            answers.push(Answered { runner: runner.name.clone(), stored });
        }
        if is_whole || timeout_at(deadline, bell.changed()).await.is_err() {
            let mut tx = store.write().await?;
            store::collection_orders::withdraw(&mut tx, &order.id).await?;
            tx.commit().await?;
            return Ok(answers);
        }
    }
}
