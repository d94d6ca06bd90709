//! Builds that take too long. Their runners end them; this is the net should one not.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use slipway_runner::coordinator::TimeLimit;
use tokio::time::Instant;

use super::{
    JobState, StepEvent,
    give_back::{end_steps, failed, subject},
    limits,
};
use crate::{
    ids::JobId,
    store::{self, Store, StoreError},
};

/// How much longer than its limit a build is left to its runner.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// Since when this server has seen each attempt at a build under way, by its steady clock. The times in the database are
/// not asked: a clock that is set forward, or another server's that is wrong, would end what has just begun. So a server
/// that was started again counts anew, and a build that its runner does not end has that much longer.
#[derive(Debug, Default)]
pub struct Overtime {
    seen: HashMap<(JobId, i64), Instant>,
}

impl Overtime {
    /// Fails every build that was seen under way for longer than it may take, and then some; tells how many. Its runner
    /// loses the lease, and removes what it runs. One that cannot be ended is left for the next time.
    ///
    /// # Errors
    /// When the database cannot even be asked.
    pub async fn end_overdue(&mut self, store: &Store) -> Result<usize, StoreError> {
        let mut reader = store.read().await?;
        let minutes = limits::build_minutes(&mut reader.conn()).await?;
        let begun: HashSet<_> = store::jobs::begun_builds(&mut reader.conn()).await?.into_iter().collect();
        drop(reader);
        let now = store.clock().steady();
        self.seen.retain(|attempt, _| begun.contains(attempt));
        for attempt in begun {
            self.seen.entry(attempt).or_insert(now);
        }
        let Some(minutes) = minutes else { return Ok(0) };
        let most = Duration::from_secs(u64::from(minutes) * 60) + GRACE;
        let reason = TimeLimit { minutes, left_ms: 0 }.reason();
        let mut ended = 0;
        for ((id, attempt), since) in &self.seen {
            if now.duration_since(*since) <= most {
                continue;
            }
            match end(store, id, *attempt, &reason).await {
                Ok(was_leased) => ended += usize::from(was_leased),
                Err(error) => tracing::error!(job = %id, %error, "cannot end a build that takes too long"),
            }
        }
        Ok(ended)
    }
}

async fn end(store: &Store, id: &JobId, attempt: i64, reason: &str) -> Result<bool, StoreError> {
    let mut tx = store.write().await?;
    let Some(mut job) = store::jobs::lock(&mut tx, id).await? else { return Ok(false) };
    if job.state != JobState::Leased || job.attempt != attempt {
        return Ok(false);
    }
    end_steps(&mut tx, &job, StepEvent::Fail, StepEvent::Skip, reason).await?;
    let subject = subject(&mut tx, &job).await?;
    failed(&mut tx, &mut job, subject, &format!("{reason}, and its runner did not end it")).await?;
    tx.commit().await?;
    Ok(true)
}
