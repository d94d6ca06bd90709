//! Watching new containers while they have a share of the traffic.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use slipway_pipelines::config::Limits;
use tokio::time::Instant;

use super::{Rollout, Setback, answers, beside, health::seconds, readings::Seen, upkeep::Upkeep};
use crate::{coordinator::ReleasedApp, proxy::Traffic, reporter::StepLog, targets::docker::Instance};

/// The shortest and the longest pause between two looks.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How many containers are looked at at once.
const AT_ONCE: usize = 16;

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

/// The apps whose traffic is divided, by name.
type Lanes = BTreeMap<String, Divided>;

/// What was counted of the requests of an app whose traffic is divided.
struct Divided {
    /// When the watching began.
    before: Traffic,
    /// At the last look.
    last: Traffic,
    /// How many times as many requests a new container gets as an old one.
    load: Option<f64>,
}

impl Divided {
    /// What was counted since the watching began.
    fn since_then(&mut self, counted: Traffic) -> Traffic {
        if counted.is_anew_since(&self.last) {
            self.before = Traffic::default();
        }
        let traffic = counted.since(&self.before);
        self.last = counted;
        traffic
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
        let checks = seen.checks.clone();
        tokio::select! {
            // Who does not answer keeps nobody from seeing the rest.
            sick = self.find_sick(watched, &checks) => Err(sick),
            over = self.look_until_over(watched, limits, bake_ms, seen, log) => over,
        }
    }

    async fn look_until_over(
        &self,
        watched: &[Watched<'_>],
        limits: &Limits,
        bake_ms: u64,
        seen: &mut Seen,
        log: &StepLog,
    ) -> Result<(), Setback> {
        let bake = Duration::from_millis(bake_ms);
        let mut left = Bake::new(bake, log);
        let mut lanes = self.lanes(watched).await?;
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
            // What people meet comes first.
            for (app, divided) in &mut lanes {
                let traffic = divided.since_then(self.traffic_of(app).await?);
                let breach = answers::judge(limits, &traffic, is_over);
                if is_over && breach.is_none() {
                    log.say(format!("{app}: {}", answers::summary(&traffic))).await;
                }
                seen.traffic.insert(app.clone(), traffic);
                if let Some(breach) = breach {
                    return Err(Setback::of(app, breach));
                }
            }
            Box::pin(self.measure_stable(&mut seen.beside, watched, limits, bake)).await?;
            self.look_at(watched, &lanes, seen, (limits, bake)).await?;
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

    /// Looks at how the new containers run, at several at once.
    async fn look_at(
        &self,
        watched: &[Watched<'_>],
        lanes: &Lanes,
        seen: &mut Seen,
        (limits, bake): (&Limits, Duration),
    ) -> Result<(), Setback> {
        let mut asked = Vec::new();
        for Watched { app, instances } in watched {
            for instance in instances {
                asked.push(async move { (&app.app, instance, self.target.vitals(&instance.name).await) });
            }
        }
        let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
        while let Some((app, instance, vitals)) = answers.next().await {
            let vitals = match vitals {
                Ok(vitals) => vitals,
                Err(error) => {
                    tracing::debug!(%error, "a new container cannot be measured; trying again");
                    continue;
                }
            };
            let stable = seen.beside.of(app, lanes.get(app).map_or(Some(1.0), |divided| divided.load));
            let patient = seen.patients.entry(instance.name.clone()).or_default();
            if let Some(breach) = patient.examine(vitals.as_ref(), limits, &stable, bake) {
                return Err(Setback::of(app, format!("replica {} {breach}", instance.replica)));
            }
        }
        Ok(())
    }

    /// The apps whose traffic is divided, with what was counted until now.
    async fn lanes(&self, watched: &[Watched<'_>]) -> Result<Lanes, Setback> {
        let mut lanes = BTreeMap::new();
        for watched in watched {
            let app = &watched.app.app;
            if let Some(route) = self.route_of(app).await?.filter(|route| route.canary.is_some()) {
                let before = self.traffic_of(app).await?;
                lanes.insert(app.clone(), Divided { last: before.clone(), before, load: beside::load(&route) });
            }
        }
        Ok(lanes)
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
