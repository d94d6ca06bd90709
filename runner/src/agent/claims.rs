//! Asking for work, and for orders about the work at hand.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Agent, RunnerError, job::Assignment};
use crate::{
    backoff::Backoff,
    coordinator::{ClaimReply, ClaimRequest, CoordinatorError},
    journal::Entry,
};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long after the time asked for an answer may come before it counts as lost.
const GRACE: Duration = Duration::from_secs(15);

/// How soon it is looked again whether what hinders the runner is over.
const HINDERED_WAIT: Duration = Duration::from_secs(3);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// Jobs, as many as there is room for, and orders.
    Jobs,
    /// Orders alone: what is at hand is finished, and then the runner ends.
    Orders,
    /// Whether the last request for jobs, which was given up on, was answered with one.
    LastJob,
}

impl Agent {
    /// Claims jobs and starts each in a task of its own, until `shutdown` is cancelled, or `drain` is and no job is left.
    pub(super) async fn claim_until(
        self: &Arc<Self>,
        drain: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> Result<(), RunnerError> {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut asking = Asking::Jobs;
        while !shutdown.is_cancelled() {
            asking = match asking {
                Asking::Jobs if drain.is_cancelled() => self.begin_to_drain(),
                Asking::Orders if self.leases.count() == 0 => return Ok(()),
                same => same,
            };
            let room = self.config.capacity.saturating_sub(self.leases.count());
            // On a full disk a job would fail for reasons that nobody understands.
            let hindrance = self.space.shortage();
            let free = if hindrance.is_some() { 0 } else { room };
            let reply = tokio::select! {
                () = shutdown.cancelled() => break,
                // The next request, which asks for none, is answered with the job that this one's answer may have been.
                () = drain.cancelled(), if asking == Asking::Jobs => continue,
                // With room for work, a request is never given up on: its answer may be a job. Without, a job that
                // ends makes room, and the request is made again.
                () = self.leases.given_back.notified(), if free == 0 || asking == Asking::Orders => continue,
                reply = self.claim(free, asking, hindrance) => reply,
            };
            match reply {
                Ok(reply) => {
                    backoff.reset();
                    let nothing =
                        matches!(reply, ClaimReply::Idle | ClaimReply::Collect { .. } | ClaimReply::Log { .. });
                    self.obey(reply);
                    if asking == Asking::LastJob && nothing {
                        asking = Asking::Orders;
                    }
                }
                Err(CoordinatorError::Refused { reason }) => return Err(RunnerError::Refused { reason }),
                Err(error) => {
                    tracing::warn!(%error, "the server gave no work; asking again");
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = tokio::time::sleep(backoff.pause()) => {}
                    }
                }
            }
        }
        Ok(())
    }

    fn begin_to_drain(&self) -> Asking {
        tracing::info!(jobs = self.leases.count(), "taking no new work; what runs is finished first");
        Asking::LastJob
    }

    async fn claim(
        &self,
        free: u32,
        asking: Asking,
        hindrance: Option<String>,
    ) -> Result<ClaimReply, CoordinatorError> {
        let wait = match asking {
            Asking::LastJob => Duration::ZERO,
            _ if hindrance.is_some() => self.config.limits.claim_wait.min(HINDERED_WAIT),
            _ => self.config.limits.claim_wait,
        };
        let request = ClaimRequest {
            runner: self.config.id.clone(),
            incarnation: self.incarnation.clone(),
            free: if asking == Asking::Jobs { free } else { 0 },
            // Those that were told to stop already need no order, and would be answered at once for ever.
            holding: self.leases.going_on(),
            wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            draining: asking != Asking::Jobs,
            hindrance,
        };
        let answer = tokio::time::timeout(wait + GRACE, self.coordinator.claim(request)).await;
        answer.unwrap_or_else(|_| Err(CoordinatorError::Unavailable { reason: "no answer".to_owned() }))
    }

    fn obey(self: &Arc<Self>, reply: ClaimReply) {
        match reply {
            ClaimReply::Idle => {}
            ClaimReply::Collect { order } => {
                // With one under way and one waiting, whoever asks for a third hears that there was no answer.
                let _ = self.orders.try_send(order);
            }
            ClaimReply::Log { question } => {
                // The same where more wait than are answered soon.
                let _ = self.questions.try_send(question);
            }
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
