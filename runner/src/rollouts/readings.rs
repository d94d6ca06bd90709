//! Telling people what is seen of new containers while they are watched.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use slipway_pipelines::config::Limits;
use tokio::time::Instant;

use super::{
    Rollout, answers,
    beside::Beside,
    judge::{Judged, Patient},
    probes::Checks,
    watch::Watched,
};
use crate::{
    coordinator::{Measure, Reading, Readings},
    proxy::Traffic,
    reporter::StepLog,
    targets::docker::Instance,
};

/// The shortest and the longest between two times that it is told.
const PAUSES: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(30));
/// How often it is told in a bake of some length.
const TIMES: u32 = 200;
/// How long the server may take to hear it.
const TELL_WITHIN: Duration = Duration::from_secs(2);

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By the containers' names.
    pub(super) patients: BTreeMap<String, Patient>,
    /// By app, since the watching began.
    pub(super) traffic: BTreeMap<String, Traffic>,
    /// The stable version beside them.
    pub(super) beside: Beside,
    /// How the new ones answered their health checks.
    pub(super) checks: Arc<Checks>,
    told: Option<Instant>,
}

impl Seen {
    /// Whether it is time to tell what was seen.
    pub(super) fn is_due(&self, bake: Duration) -> bool {
        // What has no end of its own, such as a pause, may last for days.
        let pause = if bake.is_zero() { PAUSES.1 } else { (bake / TIMES).clamp(PAUSES.0, PAUSES.1) };
        self.told.is_none_or(|told| told.elapsed() >= pause)
    }
}

impl Rollout<'_> {
    /// Tells what was seen. What does not arrive is told anew soon.
    pub(super) async fn tell(&self, seen: &mut Seen, watched: &[Watched<'_>], limits: &Limits, log: &StepLog) {
        let readings = readings(seen, watched, limits);
        if readings.is_empty() {
            return;
        }
        seen.told = Some(Instant::now());
        let telling = self.ctx.reporter.readings(log.index(), Readings::bounded(readings));
        if let Ok(Err(error)) = tokio::time::timeout(TELL_WITHIN, telling).await {
            tracing::debug!(%error, "what was measured of new containers was not told");
        }
    }
}

/// Of each app what was counted of its answers, and of its containers the one that has the most of it.
fn readings(seen: &Seen, watched: &[Watched<'_>], limits: &Limits) -> Vec<Reading> {
    let mut all = Vec::new();
    for Watched { app, instances } in watched {
        let mut add = |measure, replica, value, stable, limit| {
            all.push(Reading { app: app.app.clone(), measure, replica, value, stable, limit });
        };
        if let Some(traffic) = seen.traffic.get(&app.app) {
            let Traffic { canary, stable } = traffic;
            add(Measure::Requests, None, exact(canary.requests), Some(exact(stable.requests)), None);
            if let Some(share) = canary.error_share() {
                let most = answers::most_errors(limits, stable);
                add(Measure::Errors, None, share, stable.error_share(), Some(most));
            }
            if let Some(took) = canary.slowest_twentieth_ms() {
                let longest = answers::longest_ms(limits, traffic);
                add(Measure::Latency, None, took, stable.slowest_twentieth_ms(), longest);
            }
        }
        let patient = |it: &Instance| seen.patients.get(&it.name);
        let counted = |count: Option<u32>, most: u32| {
            Some(Judged { value: f64::from(count?), stable: None, limit: Some(f64::from(most)) })
        };
        let failed_checks = app.run.health.retries.max(1) - 1;
        for (measure, most) in [
            (Measure::Cpu, most(instances, &|it| patient(it)?.cpu())),
            (Measure::Memory, most(instances, &|it| patient(it)?.memory())),
            (Measure::Ends, most(instances, &|it| counted(patient(it).map(Patient::ends), 0))),
            (Measure::FailedChecks, most(instances, &|it| counted(seen.checks.failed(&it.name), failed_checks))),
        ] {
            if let Some((replica, Judged { value, stable, limit })) = most {
                add(measure, Some(replica), value, stable, limit);
            }
        }
    }
    all
}

/// Which of an app's containers has the most of something; of several that have, the first.
fn most(instances: &[Instance], of: &dyn Fn(&Instance) -> Option<Judged>) -> Option<(u32, Judged)> {
    let all = instances.iter().rev().filter_map(|it| Some((it.replica, of(it)?)));
    all.max_by(|one, other| one.1.value.total_cmp(&other.1.value))
}

#[expect(clippy::cast_precision_loss, reason = "people need no more digits")]
fn exact(count: u64) -> f64 {
    count as f64
}
