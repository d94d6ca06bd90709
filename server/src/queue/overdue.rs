//! Jobs that take too long. Their runners end them; this is the net should one not.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use slipway_runner::coordinator::TimeLimit;
use tokio::time::Instant;

use super::{
    JobState, StepEvent,
    give_back::{Subject, end_steps, failed, give_up, subject},
    limits, rollout_time,
};
use crate::{
    ids::{JobId, ReleaseId},
    releases,
    store::{self, Conn, Store, StoreError},
};

/// How much longer than its limit a build is left to its runner.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// Since when this server has seen each attempt at a job under way, by its steady clock. The times in the database are
/// not asked: a clock that is set forward, or another server's that is wrong, would end what has just begun. So a server
/// that was started again counts anew, and a job that its runner does not end has that much longer. A rollout that people
/// pause is not under way meanwhile.
#[derive(Debug, Default)]
pub struct Overtime {
    seen: HashMap<(JobId, i64), Instant>,
}

/// How long one attempt may take, and what people are told when it takes longer.
#[derive(Debug)]
struct Limit {
    most: Duration,
    reason: String,
}

impl Overtime {
    /// Fails every job that was seen under way for longer than it may take, and then some; tells how many. Its runner
    /// loses the lease, and removes what a build runs; an environment returns to what was live. One that cannot be ended is
    /// left for the next time.
    ///
    /// # Errors
    /// When the database cannot even be asked.
    pub async fn end_overdue(&mut self, store: &Store) -> Result<usize, StoreError> {
        let begun = begun(&mut store.read().await?.conn()).await?;
        let now = store.clock().steady();
        let attempts: HashSet<_> = begun.iter().map(|(attempt, _)| attempt).collect();
        self.seen.retain(|attempt, _| attempts.contains(attempt));
        let mut ended = 0;
        for (attempt, limit) in begun {
            let since = *self.seen.entry(attempt.clone()).or_insert(now);
            let Some(limit) = limit.filter(|limit| now.duration_since(since) > limit.most) else { continue };
            match end(store, &attempt, &limit.reason).await {
                Ok(was_leased) => ended += usize::from(was_leased),
                Err(error) => tracing::error!(job = %attempt.0, %error, "cannot end a job that takes too long"),
            }
        }
        Ok(ended)
    }
}

/// The attempts that are under way, each with its limit.
async fn begun(conn: &mut Conn<'_>) -> Result<Vec<((JobId, i64), Option<Limit>)>, StoreError> {
    let minutes = limits::build_minutes(conn).await?;
    let mut begun = Vec::new();
    for (job, attempt, release) in store::jobs::begun(conn).await? {
        let limit = match release {
            None => minutes.map(|minutes| Limit {
                most: Duration::from_secs(u64::from(minutes) * 60) + GRACE,
                reason: TimeLimit { minutes, left_ms: 0 }.reason(),
            }),
            Some(release) => match limit_of_rollout(conn, &release).await {
                Ok(Some(limit)) => Some(limit),
                Ok(None) => continue,
                Err(error) => {
                    tracing::error!(%release, %error, "cannot tell how long a rollout may take");
                    continue;
                }
            },
        };
        begun.push(((job, attempt), limit));
    }
    Ok(begun)
}

/// None while the rollout is paused.
async fn limit_of_rollout(conn: &mut Conn<'_>, id: &ReleaseId) -> Result<Option<Limit>, StoreError> {
    let Some(release) = store::releases::find(conn, id).await? else { return Ok(None) };
    if releases::pause(&store::decisions::of_release(conn, id).await?).is_some() {
        return Ok(None);
    }
    let most = rollout_time::most(&release);
    Ok(Some(Limit { most, reason: format!("the rollout took longer than {} minutes", most.as_secs() / 60) }))
}

async fn end(store: &Store, (id, attempt): &(JobId, i64), reason: &str) -> Result<bool, StoreError> {
    let mut tx = store.write().await?;
    let Some(mut job) = store::jobs::lock(&mut tx, id).await? else { return Ok(false) };
    if job.state != JobState::Leased || job.attempt != *attempt {
        return Ok(false);
    }
    end_steps(&mut tx, &job, StepEvent::Fail, StepEvent::Skip, reason).await?;
    let told = format!("{reason}, and its runner did not end it");
    match subject(&mut tx, &job).await? {
        Subject::Release(release) => give_up(&mut tx, &mut job, release, &told).await?,
        build @ Subject::Build(_) => failed(&mut tx, &mut job, build, &told).await?,
    }
    tx.commit().await?;
    Ok(true)
}
