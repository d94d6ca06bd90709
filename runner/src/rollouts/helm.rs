//! Doing as people say while a rollout is under way: standing still while it is paused, and not waiting for the end of a
//! bake that they have seen enough of.

use std::time::Duration;

use tokio::sync::watch;

use super::{Rollout, Setback, watch::Watched};
use crate::{
    backoff::Backoff,
    coordinator::{CoordinatorError, ReleasedApp, Steering, SteeringRequest},
    reporter::{Reporter, StepLog},
    targets::docker::Instance,
};

/// How long one question may wait for news, in milliseconds.
const WAIT_MS: u64 = 30_000;
/// The shortest and the longest pause before a question that was not answered is asked again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How the rollout is steered, as it was heard last; none until it was first heard.
#[derive(Debug)]
pub(super) struct Helm {
    heard: watch::Sender<Option<Steering>>,
}

impl Helm {
    /// One that has heard nothing yet.
    pub(super) fn new() -> Self {
        Helm { heard: watch::Sender::new(None) }
    }

    /// Listens for ever. A server that cannot answer changes nothing: what was heard last holds on.
    pub(super) async fn listen<T>(&self, reporter: &Reporter) -> T {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let known = self.heard.borrow().clone();
            match reporter.steering(SteeringRequest { known, wait_ms: WAIT_MS }).await {
                Ok(steering) => {
                    backoff.reset();
                    self.hear(steering);
                }
                Err(error) => {
                    // A server of before this was asked has nobody who steers.
                    if matches!(error, CoordinatorError::Refused { .. }) && self.heard.borrow().is_none() {
                        self.hear(Steering::default());
                    }
                    tokio::time::sleep(backoff.pause()).await;
                }
            }
        }
    }

    fn hear(&self, steering: Steering) {
        self.heard.send_if_modified(|heard| {
            let is_news = heard.as_ref() != Some(&steering);
            *heard = Some(steering);
            is_news
        });
    }

    /// Once it is known how the rollout is steered.
    async fn known(&self) {
        // The sender lives as long as this.
        drop(self.heard.subscribe().wait_for(Option::is_some).await);
    }

    /// Rings when it is steered otherwise from now on.
    pub(super) fn news(&self) -> watch::Receiver<Option<Steering>> {
        self.heard.subscribe()
    }

    /// Who paused the rollout and why, while it is.
    pub(super) fn paused(&self) -> Option<String> {
        self.heard.borrow().as_ref()?.paused.clone()
    }

    /// Whether nobody wants to wait for the end of this step's bake.
    pub(super) fn passes(&self, step: u32) -> bool {
        self.heard.borrow().as_ref().and_then(|steering| steering.passed).is_some_and(|passed| passed >= step)
    }
}

impl Rollout<'_> {
    /// Stays where the rollout is while it is paused. What has come until then is judged as in a bake; it is a failure
    /// when that does not do well. Answers whether it was paused.
    pub(super) async fn stand_still(&self, log: &StepLog) -> Result<bool, Setback> {
        self.unless_stopped(self.helm.known()).await?;
        if self.helm.paused().is_none() {
            return Ok(false);
        }
        let mut watched = Vec::new();
        for app in &self.work.release.apps {
            let mut instances = Vec::new();
            for instance in self.target.instances().await? {
                if self.has_come(&instance, app).await? {
                    instances.push(instance);
                }
            }
            watched.push(Watched { app, instances });
        }
        self.bake(&watched, &self.trial_limits(), 0, log).await?;
        Ok(true)
    }

    /// Whether the container is one of the app's new ones and well: one that is not ready yet is judged by the step that
    /// starts it.
    async fn has_come(&self, instance: &Instance, app: &ReleasedApp) -> Result<bool, Setback> {
        let is_new = instance.app == app.app && instance.release == self.work.release.release && instance.is_running();
        Ok(is_new && self.prober.check(&self.target, &instance.name, &app.run.health).await?.is_ok())
    }
}
