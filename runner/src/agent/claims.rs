//! Asking for work, and for orders about the work at hand.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Agent, RunnerError, job::Assignment};
use crate::{
    coordinator::{ClaimReply, ClaimRequest, CoordinatorError},
    journal::Entry,
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long after the time asked for an answer may come before it counts as lost.
const GRACE: Duration = Duration::from_secs(15);

impl Agent {
    /// Claims jobs and starts each in a task of its own, until `shutdown` is cancelled.
    pub(super) async fn claim_until(self: &Arc<Self>, shutdown: &CancellationToken) -> Result<(), RunnerError> {
        let mut pause = FIRST_PAUSE;
        while !shutdown.is_cancelled() {
            let room = self.config.capacity.saturating_sub(self.leases.count());
            // On a full disk a job would fail for reasons that nobody understands.
            let free = if self.space.shortage().is_some() { 0 } else { room };
            let reply = tokio::select! {
                () = shutdown.cancelled() => break,
                // With room for work, a request is never given up on: its answer may be a job. Without, a job that
                // ends makes room, and the request is made again.
                () = self.leases.given_back.notified(), if free == 0 => continue,
                reply = self.claim(free) => reply,
            };
            match reply {
                Ok(reply) => {
                    pause = FIRST_PAUSE;
                    self.obey(reply);
                }
                Err(CoordinatorError::Refused { reason }) => return Err(RunnerError::Refused { reason }),
                Err(error) => {
                    tracing::warn!(%error, "the server gave no work; asking again");
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        Ok(())
    }

    async fn claim(&self, free: u32) -> Result<ClaimReply, CoordinatorError> {
        let wait = self.config.limits.claim_wait;
        let request = ClaimRequest {
            runner: self.config.id.clone(),
            incarnation: self.incarnation.clone(),
            free,
            // Those that were told to stop already need no order, and would be answered at once for ever.
            holding: self.leases.going_on(),
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        };
        let answer = tokio::time::timeout(wait + GRACE, self.coordinator.claim(request)).await;
        answer.unwrap_or_else(|_| Err(CoordinatorError::Unavailable { reason: "no answer".to_owned() }))
    }

    fn obey(self: &Arc<Self>, reply: ClaimReply) {
        match reply {
            ClaimReply::Idle => {}
            ClaimReply::Cancel { leases } => {
                for key in leases {
                    self.leases.cancel(&key);
                }
            }
            ClaimReply::Work { lease } => {
                if let Some(held) = self.leases.take(&lease, Instant::now()) {
                    let entry = Entry::begin(&lease, &self.incarnation);
                    self.set_to_work(Assignment { lease: *lease, entry, steps: Vec::new() }, held);
                }
            }
        }
    }
}
