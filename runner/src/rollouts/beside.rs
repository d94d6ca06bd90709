//! What the stable version uses, beside which a new one is judged.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use slipway_pipelines::config::{Limits, Usage};
use tokio::time::Instant;

use super::{
    Rollout, Setback,
    gauge::{Average, Gauge},
    judge::Stable,
    watch::Watched,
};
use crate::{
    proxy::Route,
    targets::docker::{Instance, Vitals},
};

/// How often it is measured, at most.
const EVERY: Duration = Duration::from_secs(1);
/// How many replicas of an app are measured: of more, the average is the same.
const MOST: usize = 16;
/// How many containers are asked of at once.
const AT_ONCE: usize = 8;

/// What is known of the stable version's replicas.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// By app, and by the names of its containers.
    apps: BTreeMap<String, BTreeMap<String, (Gauge, Option<Average>)>>,
    measured: Option<Instant>,
}

impl Beside {
    /// What one replica of the app uses on average, where a new one has `load` times the requests of a stable one; none where
    /// those have none any more.
    pub(super) fn of(&self, app: &str, load: Option<f64>) -> Stable {
        let replicas = || self.apps.get(app).into_iter().flat_map(BTreeMap::values).filter_map(|(_, average)| *average);
        let cpu = mean(replicas().map(|average| average.cpu.amount));
        Stable {
            cpu: cpu.zip(load).map(|(cpu, load)| cpu * load),
            memory: mean(replicas().filter_map(|average| Some(average.memory?.amount))),
        }
    }
}

impl Rollout<'_> {
    /// Measures the stable version, where the new one is judged by it and it is time to.
    pub(super) async fn measure_stable(
        &self,
        beside: &mut Beside,
        watched: &[Watched<'_>],
        limits: &Limits,
        bake: Duration,
    ) -> Result<(), Setback> {
        let is_measure = |limit: Option<Usage>| limit.is_none_or(|limit| limit.times().is_some());
        let is_asked = is_measure(limits.max_cpu) || is_measure(limits.max_memory);
        let is_due = beside.measured.is_none_or(|measured| measured.elapsed() >= EVERY);
        let Some(previous) = self.work.previous.as_ref().filter(|_| is_asked && is_due) else { return Ok(()) };
        beside.measured = Some(Instant::now());
        let instances = self.target.instances().await?;
        for Watched { app, .. } in watched {
            let is_stable = |it: &&Instance| {
                it.app == app.app && it.release == previous.release && it.replica > 0 && it.is_running()
            };
            let stable: Vec<&Instance> = instances.iter().filter(is_stable).take(MOST).collect();
            let known = beside.apps.entry(app.app.clone()).or_default();
            known.retain(|name, _| stable.iter().any(|it| it.name == *name));
            let mut asked = Vec::with_capacity(stable.len());
            for replica in stable {
                asked.push(async { (replica.name.clone(), self.target.vitals(&replica.name).await) });
            }
            let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
            for (name, vitals) in answers {
                let vitals = vitals.inspect_err(|error| tracing::debug!(%error, "the stable version is not measured"));
                let Ok(Some(vitals)) = vitals.map(|vitals| vitals.filter(is_measured)) else { continue };
                let (gauge, average) = known.entry(name).or_default();
                *average = gauge.read(&vitals, Instant::now(), bake);
            }
        }
        Ok(())
    }
}

/// Whether its node is one that tells what its containers use: every one uses some memory.
fn is_measured(vitals: &Vitals) -> bool {
    vitals.runs && vitals.memory > 0
}

/// How many times as many requests a container of the canary gets as a stable one, or as many: one that has less to do has no
/// excuse to use more. None where the stable ones get none.
pub(super) fn load(route: &Route) -> Option<f64> {
    let Some(canary) = &route.canary else { return Some(1.0) };
    let each = |share: u8, upstreams: &[String]| f64::from(share) / count(upstreams);
    let stable = each(100 - canary.share.min(100), &route.upstreams);
    (stable > 0.0).then(|| (each(canary.share, &canary.upstreams) / stable).max(1.0))
}

#[expect(clippy::cast_precision_loss, reason = "there are few containers")]
fn count(upstreams: &[String]) -> f64 {
    upstreams.len().max(1) as f64
}

fn mean(amounts: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = amounts.fold((0.0, 0.0), |(sum, count), amount| (sum + amount, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::{Route, load, mean};
    use crate::proxy::Canary;

    #[test]
    fn a_canary_has_its_part_of_the_requests_to_do() {
        let route = |share: u8, new: usize, old: usize| Route {
            upstreams: vec!["old".to_owned(); old],
            canary: Some(Canary { share, upstreams: vec!["new".to_owned(); new] }),
            ..Route::default()
        };
        assert_eq!(load(&route(50, 5, 10)), Some(2.0), "it does what each of ten did, who have half of it left");
        assert_eq!(load(&route(20, 1, 1)), Some(1.0), "less to do is no excuse");
        assert_eq!(load(&route(100, 1, 1)), None);
        assert_eq!(load(&Route::default()), Some(1.0), "nothing is divided");
    }

    #[test]
    fn nothing_has_no_average() {
        assert_eq!((mean([1.0, 2.0].into_iter()), mean(std::iter::empty())), (Some(1.5), None));
    }
}
