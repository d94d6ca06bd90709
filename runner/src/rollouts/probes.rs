//! Asking new containers for their health while they are watched, side by side: one that does not answer keeps nobody waiting
//! but itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Rollout, Setback,
    watch::{PAUSES, Watched},
};
use crate::{
    coordinator::ReleasedApp,
    targets::docker::{Instance, TargetError},
};

/// How many containers are asked at once.
const AT_ONCE: usize = 32;

/// What one more probe of a container met.
struct Probed<'w> {
    app: &'w ReleasedApp,
    instance: &'w Instance,
    met: Result<Result<(), String>, TargetError>,
}

/// The probes that are under way, or come when their time has; one for each container.
struct Probes<'w> {
    rollout: &'w Rollout<'w>,
    coming: FuturesUnordered<BoxFuture<'w, Probed<'w>>>,
    turns: Arc<Semaphore>,
}

impl<'w> Probes<'w> {
    /// Begins with all containers at once.
    fn begin(rollout: &'w Rollout<'w>, watched: &'w [Watched<'w>]) -> Self {
        let probes = Probes { rollout, coming: FuturesUnordered::new(), turns: Arc::new(Semaphore::new(AT_ONCE)) };
        for Watched { app, instances } in watched {
            for instance in instances {
                probes.ask(app, instance, Instant::now());
            }
        }
        probes
    }

    /// The next one that is through; its container is asked again when its check's interval is over. None where there is no
    /// container.
    async fn next(&mut self) -> Option<Probed<'w>> {
        let probed = self.coming.next().await?;
        let interval = Duration::from_millis(probed.app.run.health.interval_ms).clamp(PAUSES.0, PAUSES.1);
        self.ask(probed.app, probed.instance, Instant::now() + interval);
        Some(probed)
    }

    fn ask(&self, app: &'w ReleasedApp, instance: &'w Instance, at: Instant) {
        let (rollout, turns) = (self.rollout, self.turns.clone());
        let asked = async move {
            tokio::time::sleep_until(at).await;
            // Never closed.
            let _turn = turns.acquire().await;
            let met = rollout.prober.check(&rollout.target, &instance.name, &app.run.health).await;
            Probed { app, instance, met }
        };
        self.coming.push(asked.boxed());
    }
}

/// How many health checks in a row each new container failed, by its name.
#[derive(Debug, Default)]
pub(super) struct Checks {
    failed: Mutex<BTreeMap<String, u32>>,
}

impl Checks {
    /// What is wrong with a container's health, by the outcome of one more check.
    fn note(&self, container: &str, met: Result<(), String>, retries: u32) -> Option<String> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let in_a_row = failed.entry(container.to_owned()).or_default();
        *in_a_row = if met.is_ok() { 0 } else { *in_a_row + 1 };
        met.err().filter(|_| *in_a_row >= retries.max(1)).map(|met| format!("is sick: {met}"))
    }

    /// How many in a row the container failed last; none where it was not asked yet.
    pub(super) fn failed(&self, container: &str) -> Option<u32> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get(container).copied()
    }
}

impl Rollout<'_> {
    /// Asks the containers again and again, until one is sick: for ever, while all are well.
    pub(super) async fn find_sick(&self, watched: &[Watched<'_>], checks: &Checks) -> Setback {
        let mut probes = Probes::begin(self, watched);
        while let Some(Probed { app, instance, met }) = probes.next().await {
            let met = match met {
                Ok(met) => met,
                Err(error) => return error.into(),
            };
            if let Some(breach) = checks.note(&instance.name, met, app.run.health.retries) {
                return Setback::of(&app.app, format!("replica {} {breach}", instance.replica));
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::Checks;

    #[test]
    fn one_failed_check_is_no_sickness() {
        let checks = Checks::default();
        let sick = || Err("GET /health answered 500".to_owned());
        assert_eq!(checks.failed("web-1"), None);
        assert_eq!(checks.note("web-1", sick(), 2), None);
        assert_eq!(checks.note("web-1", Ok(()), 2), None);
        assert_eq!(checks.note("web-1", sick(), 2), None);
        assert_eq!(checks.note("web-2", sick(), 2), None);
        assert_eq!(checks.note("web-1", sick(), 2).unwrap(), "is sick: GET /health answered 500");
        assert_eq!(checks.failed("web-1"), Some(2));
    }
}
