//! Watching new containers while they have a share of the traffic.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::{
    Rollout, Setback,
    judge::{Limits, Patient, summary},
};
use crate::{coordinator::ReleasedApp, proxy::Traffic, reporter::StepLog, targets::docker::Instance};

/// The shortest and the longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// An app's new containers that are tried.
pub(super) struct Watched<'w> {
    pub(super) app: &'w ReleasedApp,
    pub(super) instances: Vec<Instance>,
}

impl Rollout<'_> {
    /// Watches for the bake time. The first breach ends it, as a failure that names app, container and measurement.
    pub(super) async fn watch(
        &self,
        watched: &[Watched<'_>],
        limits: &Limits,
        bake_ms: u64,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let bake = Duration::from_millis(bake_ms);
        let end = Instant::now() + bake;
        let mut patients: BTreeMap<String, Patient> = BTreeMap::new();
        let before = self.counted(watched).await?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            tokio::time::sleep(pause(watched).min(left)).await;
            self.still_owner()?;
            let is_over = Instant::now() >= end;
            for app in watched {
                self.look_at(app, &mut patients, limits, bake).await?;
                let Some(before) = before.get(&app.app.app) else { continue };
                let traffic = self.traffic_of(&app.app.app).await?.since(before);
                if let Some(breach) = limits.judge(&traffic, is_over) {
                    return Err(Setback::of(&app.app.app, breach));
                }
                if is_over {
                    log.say(format!("{}: {}", app.app.app, summary(&traffic))).await;
                }
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// Looks at how the app's new containers run.
    async fn look_at(
        &self,
        watched: &Watched<'_>,
        patients: &mut BTreeMap<String, Patient>,
        limits: &Limits,
        bake: Duration,
    ) -> Result<(), Setback> {
        let check = &watched.app.run.health;
        for instance in &watched.instances {
            let patient = patients.entry(instance.name.clone()).or_default();
            let vitals = self.target.vitals(&instance.name).await?;
            let mut breach = patient.examine(vitals.as_ref(), limits, bake);
            if breach.is_none() {
                let healthy = self.prober.check(&self.target, &instance.name, check).await?;
                breach = patient.check(healthy, check.retries);
            }
            if let Some(breach) = breach {
                let which = instance.replica;
                return Err(Setback::of(&watched.app.app, format!("replica {which} {breach}")));
            }
        }
        Ok(())
    }

    /// What was counted until now, by app, of those whose traffic is divided.
    async fn counted(&self, watched: &[Watched<'_>]) -> Result<BTreeMap<String, Traffic>, Setback> {
        let mut counted = BTreeMap::new();
        for watched in watched {
            let app = &watched.app.app;
            if self.route_of(app).await?.is_some_and(|route| route.canary.is_some()) {
                counted.insert(app.clone(), self.traffic_of(app).await?);
            }
        }
        Ok(counted)
    }

    async fn traffic_of(&self, app: &str) -> Result<Traffic, Setback> {
        let Some(proxy) = &self.ctx.proxy else { return Ok(Traffic::default()) };
        Ok(proxy.traffic(&self.target.names().route(app)).await?)
    }
}

/// As often as the most impatient health check wants.
fn pause(watched: &[Watched<'_>]) -> Duration {
    let interval = |watched: &Watched<'_>| Duration::from_millis(watched.app.run.health.interval_ms);
    watched.iter().map(interval).min().unwrap_or(PAUSES.1).clamp(PAUSES.0, PAUSES.1)
}
