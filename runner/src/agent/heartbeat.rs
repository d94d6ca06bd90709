//! One heartbeat for everything that a runner holds.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Agent;
use crate::coordinator::Heartbeat;

/// How soon an unanswered heartbeat is repeated, at the latest.
const RETRY: Duration = Duration::from_secs(1);

/// Beats until `ended` is cancelled.
pub(super) async fn run(agent: Arc<Agent>, ended: CancellationToken) {
    let mut next = Instant::now() + agent.leases.beat();
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
            // A new lease may be shorter than the pause. It never moves the beat back: else a runner that takes short
            // jobs one after the other would lose its long ones.
            () = agent.leases.taken.notified() => {
                next = next.min(Instant::now() + agent.leases.beat());
                continue;
            }
            () = agent.leases.hindered.notified() => {}
        }
        let beat = agent.leases.beat();
        let pause = if agent.beat(beat).await { agent.leases.beat() } else { beat.min(RETRY) };
        next = Instant::now() + pause;
    }
}

impl Agent {
    /// Sends one heartbeat and obeys the answer; false when there was none within `limit`.
    async fn beat(&self, limit: Duration) -> bool {
        let beat = Heartbeat {
            runner: self.config.id.clone(),
            incarnation: self.incarnation.clone(),
            holding: self.leases.keys(),
            waiting: self.leases.waiting(),
        };
        let sent = Instant::now();
        match tokio::time::timeout(limit, self.coordinator.heartbeat(beat)).await {
            Ok(Ok(verdicts)) => {
                for (key, verdict) in verdicts {
                    self.leases.obey(&key, verdict, sent);
                }
                true
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the server did not take a heartbeat");
                false
            }
            Err(_) => {
                tracing::warn!("the server did not answer a heartbeat");
                false
            }
        }
    }
}
