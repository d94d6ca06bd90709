//! The courier: sends what is due, and again what was not accepted.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Forges, Refusal, Standing, for_repository};
use crate::{
    secrets::Sealer,
    store::{
        Store, StoreError,
        forge_credentials::{self, SealedCredential},
        forge_reports::{self, Ended, ForgeReport},
        repositories::{self, Repository},
    },
};

/// How many reports are under way at once: GitHub wants few.
const AT_ONCE: i64 = 4;
/// How long one report may take with all that it asks, and when it is free for others again, in milliseconds.
const TIME: Duration = Duration::from_secs(50);
const GIVEN_UP_MS: i64 = 60_000;
/// The pause before the second try, in milliseconds; each is twice the one before, up to the longest.
const FIRST_PAUSE_MS: i64 = 10_000;
const LONGEST_PAUSE_MS: i64 = 3_600_000;
/// The most tries: with those pauses, about a day.
const MOST_ATTEMPTS: i64 = 30;
/// The pause before what was refused is tried again, in milliseconds, and how often: somebody may set the permissions
/// right within a day.
const REFUSED_PAUSE_MS: i64 = 3_600_000;
const MOST_REFUSALS: i64 = 24;
/// The shortest rest, in milliseconds: its end may be past by this server's clock.
const SHORTEST_REST_MS: i64 = 10_000;
/// How much the clocks of servers that share a database may differ, in milliseconds.
const CLOCKS_APART_MS: i64 = 60_000;
/// The longest between two looks: the clock may be set, and another server's courier may have ended.
const SWEEP: Duration = Duration::from_secs(60);
/// The shortest, whatever the clock does.
const BREATH: Duration = Duration::from_millis(20);
/// How often what was reported long ago is forgotten, and how long it is kept, in milliseconds.
const FORGETTING: Duration = Duration::from_secs(3600);
const KEPT_MS: i64 = 90 * 24 * 3_600_000;

/// Sends until it is told to stop; `told` says that there may be something new.
pub async fn run_courier(store: Store, sealer: Sealer, forges: Forges, told: Arc<Notify>, stop: CancellationToken) {
    let mut forget_at = Instant::now();
    loop {
        let next = match stop.run_until_cancelled(Box::pin(report_due(&store, &sealer, &forges))).await {
            None => return,
            Some(Ok(next)) => next,
            Some(Err(error)) => {
                tracing::error!(%error, "cannot look for what forges are to show; trying again");
                None
            }
        };
        if Instant::now() >= forget_at {
            forget_at = Instant::now() + FORGETTING;
            if let Err(error) = forget(&store).await {
                tracing::error!(%error, "cannot forget what forges were shown long ago");
            }
        }
        let until_next = next.map(|at| u64::try_from(at - store.clock().now()).unwrap_or(0));
        let pause = until_next.map_or(SWEEP, Duration::from_millis).clamp(BREATH, SWEEP);
        tokio::select! {
            () = stop.cancelled() => return,
            () = told.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Sends all that is due; tells when the next report is, in unix milliseconds.
///
/// # Errors
/// When the database fails.
pub async fn report_due(store: &Store, sealer: &Sealer, forges: &Forges) -> Result<Option<i64>, StoreError> {
    loop {
        let next = forge_reports::next_due(&mut store.read().await?.conn()).await?;
        let Some(at) = next else { return Ok(None) };
        if at > store.clock().now() {
            if hasten(store).await? == 0 {
                return Ok(next);
            }
            tracing::warn!("reports to forges waited for a time that was too far away: the clock was set back");
        }
        let mut tx = store.write().await?;
        let until = tx.now() + GIVEN_UP_MS;
        let due = forge_reports::take_due(&mut tx, until, AT_ONCE).await?;
        tx.commit().await?;
        if due.is_empty() {
            // Somebody sends what is due.
            return Ok(None);
        }
        let sending = due.into_iter().map(|taken| Box::pin(report(store, sealer, forges, taken)));
        for done in join_all(sending).await {
            done?;
        }
    }
}

/// Lets be sent now what waits for a time from before the clock was set back. Tells how many that are.
async fn hasten(store: &Store) -> Result<u64, StoreError> {
    let mut tx = store.write().await?;
    let (first, later) = (tx.now() + CLOCKS_APART_MS, tx.now() + LONGEST_PAUSE_MS + CLOCKS_APART_MS);
    let hastened = forge_reports::hasten(&mut tx, first, later).await?;
    tx.commit().await?;
    Ok(hastened)
}

async fn report(store: &Store, sealer: &Sealer, forges: &Forges, mut taken: ForgeReport) -> Result<(), StoreError> {
    let (repository, credentials) = {
        let mut reader = store.read().await?;
        let repository = repositories::find(&mut reader.conn(), &taken.repository_id).await?;
        (repository, forge_credentials::list(&mut reader.conn()).await?)
    };
    // With the repository its reports went.
    let Some(repository) = repository else { return Ok(()) };
    let credential = for_repository(&credentials, &repository.name);
    let now = store.clock().now();
    let ended = match credential {
        None => Ended::GivenUp { reason: "no credential of a forge is for this repository any more".to_owned() },
        Some(credential) if is_resting(credential, now) => Ended::Rested {
            at: credential.resting_until,
            reason: "the forge asked for a rest: too many requests".to_owned(),
        },
        Some(credential) => {
            let sent = send(sealer, forges, credential, &repository, &mut taken).await;
            ended(store, credential, &taken, sent).await?
        }
    };
    match &ended {
        Ended::Accepted => {}
        Ended::Rested { reason, .. } => {
            tracing::debug!(repository = repository.name, reason, "a forge was not told; it is told later");
        }
        Ended::Again { reason, .. } => {
            tracing::warn!(repository = repository.name, reason, "a forge was not told; it is told again");
        }
        Ended::GivenUp { reason } => {
            tracing::error!(repository = repository.name, reason, "a report to a forge is given up");
        }
    }
    let mut tx = store.write().await?;
    forge_reports::settle(&mut tx, &taken, &ended).await?;
    tx.commit().await
}

/// Whether the forge asked for a rest that is not over; one that is too long is of a clock that was set since.
fn is_resting(credential: &SealedCredential, now: i64) -> bool {
    credential.resting_until > now && credential.resting_until <= now + LONGEST_PAUSE_MS + CLOCKS_APART_MS
}

async fn send(
    sealer: &Sealer,
    forges: &Forges,
    sealed: &SealedCredential,
    repository: &Repository,
    taken: &mut ForgeReport,
) -> Result<(), Refusal> {
    let credential = sealed.open(sealer).map_err(|error| Refusal::for_ever(error.to_string()))?;
    let account = forges.account(sealed, &credential, &repository.name);
    match tokio::time::timeout(TIME, account.report(&taken.wanted, &mut taken.forge_ref)).await {
        Ok(sent) => sent,
        Err(_) => Err(Refusal::for_now(format!("not done within {} seconds", TIME.as_secs()))),
    }
}

/// What follows from a forge's answer.
async fn ended(
    store: &Store,
    credential: &SealedCredential,
    taken: &ForgeReport,
    sent: Result<(), Refusal>,
) -> Result<Ended, StoreError> {
    let Err(Refusal { reason, standing }) = sent else { return Ok(Ended::Accepted) };
    let now = store.clock().now();
    let (pause, most) = match standing {
        Standing::Passes => (pause(taken.attempts), MOST_ATTEMPTS),
        Standing::Refused => (REFUSED_PAUSE_MS, MOST_REFUSALS),
        Standing::Rests(time) => {
            let asked = i64::try_from(time.as_millis()).unwrap_or(i64::MAX).clamp(SHORTEST_REST_MS, LONGEST_PAUSE_MS);
            let mut tx = store.write().await?;
            forge_credentials::rest(&mut tx, &credential.name, now + asked).await?;
            tx.commit().await?;
            return Ok(Ended::Rested { at: now + asked, reason });
        }
        Standing::Lasts => (0, 0),
    };
    Ok(if taken.attempts < most { Ended::Again { at: now + pause, reason } } else { Ended::GivenUp { reason } })
}

/// The pause after so many attempts, in milliseconds.
fn pause(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    (FIRST_PAUSE_MS << doublings).min(LONGEST_PAUSE_MS)
}

async fn forget(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let before = tx.now() - KEPT_MS;
    forge_reports::forget(&mut tx, before).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let pauses: Vec<i64> = [1, 2, 3, 9, 10, 30, 1000].into_iter().map(|attempt| pause(attempt) / 1000).collect();
        assert_eq!(pauses, [10, 20, 40, 2560, 3600, 3600, 3600]);
        let day: i64 = (1..MOST_ATTEMPTS).map(pause).sum();
        assert!((18..30).contains(&(day / 3_600_000)), "{day}");
    }
}
