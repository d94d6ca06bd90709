//! The gatekeeper: lets held releases in when nothing stands against them any more, and promotes what is due. It is woken
//! by what people and rollouts do, and by the next moment at which time alone changes something; several servers may
//! each have one.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    automatic::promote_what_is_due,
    hold::{News, judge_again, look},
};
use crate::{
    ids::ReleaseId,
    store::{self, Store, StoreError},
};

/// The longest between two looks: another server's bell may have been lost on the way.
const SWEEP: Duration = Duration::from_secs(60);
/// The shortest, whatever the clock does.
const BREATH: Duration = Duration::from_millis(20);

/// Keeps the gates until it is told to stop.
pub async fn run_gatekeeper(store: Store, stop: CancellationToken) {
    let mut bell = store.bells().gates();
    loop {
        // Taken before the look: what is committed after the look rings it.
        bell.borrow_and_update();
        let next = match stop.run_until_cancelled(Box::pin(keep_gates(&store))).await {
            None => return,
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot look after the releases that are held; trying again");
                None
            }
        };
        let until_next = next.map(|at| u64::try_from(at - store.clock().now()).unwrap_or(0));
        let pause = until_next.map_or(SWEEP, Duration::from_millis).clamp(BREATH, SWEEP);
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(pause, bell.changed()) => {}
        }
    }
}

/// Looks once at every held release and at every environment that is promoted to by itself, and does what is to be done;
/// tells when time alone will change something next, in unix milliseconds. What one of them fails with keeps no other
/// from it.
///
/// # Errors
/// When the database cannot even be asked.
pub async fn keep_gates(store: &Store) -> Result<Option<i64>, StoreError> {
    let (held, automatic) = {
        let mut reader = store.read().await?;
        let held = store::releases::held_anywhere(&mut reader.conn()).await?;
        (held, store::environments::automatic(&mut reader.conn()).await?)
    };
    let mut next: Option<i64> = None;
    for release in held {
        match keep(store, &release).await {
            Ok(moment) => next = earlier(next, moment),
            Err(error) => tracing::error!(%release, %error, "cannot judge a release that is held"),
        }
    }
    let now = store.clock().now();
    for environment in automatic {
        match promote_what_is_due(store, &environment, now).await {
            Ok(moment) => next = earlier(next, moment),
            Err(error) => tracing::error!(environment = %environment.id, %error, "cannot promote by itself"),
        }
    }
    Ok(next)
}

async fn keep(store: &Store, release: &ReleaseId) -> Result<Option<i64>, StoreError> {
    let now = store.clock().now();
    let news = look(&mut store.read().await?.conn(), release, now).await?;
    if let News::None(until) = news {
        return Ok(until);
    }
    let mut tx = store.write().await?;
    judge_again(&mut tx, release).await?;
    tx.commit().await?;
    // Where it still waits, for something else, that rang the bell.
    Ok(None)
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}
