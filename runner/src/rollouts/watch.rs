//! Watching new containers while they have a share of the traffic.

use std::{collections::BTreeMap, time::Duration};

use slipway_pipelines::config::Limits;
use tokio::time::Instant;

use super::{Rollout, Setback, answers, health::seconds, readings::Seen, upkeep::Upkeep};
use crate::{coordinator::ReleasedApp, proxy::Traffic, reporter::StepLog, targets::docker::Instance};

/// The shortest and the longest pause between two looks.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What is left of a bake, and what its log says of it.
struct Bake<'l> {
    time: Duration,
    /// What was said last of a pause.
    said: Option<String>,
    log: &'l StepLog,
}

impl<'l> Bake<'l> {
    fn new(time: Duration, log: &'l StepLog) -> Self {
        Bake { time, said: None, log }
    }

    /// Says once that the rollout is paused, and once that it goes on.
    async fn say(&mut self, paused: Option<String>) {
        if self.said == paused {
            return;
        }
        let left = seconds(u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX));
        self.log
            .say(match &paused {
                Some(paused) => format!("{paused}; everything stays as it is until it is resumed"),
                None if self.time.is_zero() => "resumed".to_owned(),
                None => format!("resumed; {left} of the time are left"),
            })
            .await;
        self.said = paused;
    }
}

/// An app's new containers that are tried.
pub(super) struct Watched<'w> {
    pub(super) app: &'w ReleasedApp,
    pub(super) instances: Vec<Instance>,
}

impl Rollout<'_> {
    /// Watches for the bake time, which does not pass while people have paused the rollout. The first breach ends it, as a
    /// failure that names app, container and measurement.
    pub(super) async fn watch(
        &self,
        watched: &[Watched<'_>],
        limits: &Limits,
        bake_ms: u64,
        seen: &mut Seen,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let bake = Duration::from_millis(bake_ms);
        let mut left = Bake::new(bake, log);
        let mut before = self.counted(watched).await?;
        let mut last = before.clone();
        Box::pin(self.tell_unmeasured(watched, limits, log)).await?;
        let mut news = self.helm.news();
        let mut upkeep = Upkeep::default();
        loop {
            let paused = self.helm.paused();
            self.keep_up(&mut upkeep, log).await?;
            left.say(paused.clone()).await;
            let longest = if paused.is_some() { Duration::MAX } else { left.time };
            let since = Instant::now();
            drop(tokio::time::timeout(pause(watched).min(longest), news.changed()).await);
            if paused.is_none() {
                left.time = left.time.saturating_sub(since.elapsed());
            }
            self.still_owner()?;
            let is_enough = left.time.is_zero() || self.helm.passes(log.index());
            let is_over = is_enough && self.helm.paused().is_none();
            for app in watched {
                self.look_at(app, seen, limits, bake).await?;
                let (Some(before), Some(last)) = (before.get_mut(&app.app.app), last.get_mut(&app.app.app)) else {
                    continue;
                };
                let counted = self.traffic_of(&app.app.app).await?;
                if counted.is_anew_since(last) {
                    *before = Traffic::default();
                }
                let traffic = counted.since(before);
                *last = counted;
                let breach = answers::judge(limits, &traffic, is_over);
                if is_over && breach.is_none() {
                    log.say(format!("{}: {}", app.app.app, answers::summary(&traffic))).await;
                }
                seen.traffic.insert(app.app.app.clone(), traffic);
                if let Some(breach) = breach {
                    return Err(Setback::of(&app.app.app, breach));
                }
            }
            if seen.is_due(bake) {
                self.tell(seen, watched, limits, log).await;
            }
            if is_over {
                left.say(None).await;
                if !left.time.is_zero() {
                    log.say("the rest of the time is passed over on request").await;
                }
                return Ok(());
            }
        }
    }

    /// Looks at how the app's new containers run.
    async fn look_at(
        &self,
        watched: &Watched<'_>,
        seen: &mut Seen,
        limits: &Limits,
        bake: Duration,
    ) -> Result<(), Setback> {
        let check = &watched.app.run.health;
        for instance in &watched.instances {
            let patient = seen.patients.entry(instance.name.clone()).or_default();
            let vitals = match self.target.vitals(&instance.name).await {
                Ok(vitals) => vitals,
                Err(error) => {
                    tracing::debug!(%error, "a new container cannot be measured; trying again");
                    continue;
                }
            };
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
        let Some(proxy) = &self.proxy else { return Ok(Traffic::default()) };
        Ok(proxy.traffic(&self.target.names().route(app)).await?)
    }
}

/// As often as the most impatient health check wants.
fn pause(watched: &[Watched<'_>]) -> Duration {
    let interval = |watched: &Watched<'_>| Duration::from_millis(watched.app.run.health.interval_ms);
    watched.iter().map(interval).min().unwrap_or(PAUSES.1).clamp(PAUSES.0, PAUSES.1)
}
