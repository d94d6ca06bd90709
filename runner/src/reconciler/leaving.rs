//! Containers that are on their way out: they get no new requests, finish those that they have, end in their own time, and are
//! removed.
//!
//! A sick one makes room for another of its replica by its name alone ([`DockerTarget::relieve`]). Until that one, or another of
//! the app, is well, it stays: what answers badly is better than what does not answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use super::{
    ailment::Remedy,
    keeper::{Case, Keeper, Which, replicas},
};
use crate::{
    proxy::{Proxy, ProxyError},
    targets::docker::{DockerTarget, Instance, Replica, TargetError},
};

/// How long after it left its route a request may still be on its way to a container without being counted.
pub(super) const SETTLE: Duration = Duration::from_millis(300);
/// How often the open requests are counted.
const COUNT_EVERY: Duration = Duration::from_millis(100);

/// Those that are being let go.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    names: BTreeSet<String>,
    tasks: JoinSet<String>,
}

impl Leaving {
    /// Lets go of nobody any more: the next keeper, or a rollout, does.
    pub(super) async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }

    fn begin(&mut self, departure: Departure) {
        if self.names.insert(departure.instance.name.clone()) {
            self.tasks.spawn(async move {
                if let Err(error) = departure.take().await {
                    tracing::warn!(%error, "a container cannot be removed; trying again");
                }
                departure.instance.name
            });
        }
    }

    /// Whoever has gone may be met again, where that did not work out.
    fn settle(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            match ended {
                Ok(name) => drop(self.names.remove(&name)),
                Err(error) => tracing::error!(%error, "a container's departure ended early"),
            }
        }
    }
}

/// One that is let go.
struct Departure {
    docker: DockerTarget,
    proxy: Option<Arc<dyn Proxy>>,
    /// The name of the app's route.
    route: String,
    instance: Instance,
    /// How long it may finish its requests, and then end.
    grace: Duration,
}

impl Departure {
    async fn take(&self) -> Result<(), TargetError> {
        if self.instance.is_running() {
            if self.is_led_to().await {
                return Ok(());
            }
            // A proxy that does not say how many are open has none for it, as far as is known.
            let _ = self.drain().await;
            self.docker.stop(&self.instance.name, self.grace).await?;
        }
        self.docker.remove(&self.instance.name).await
    }

    /// Whether new requests may still come to it: then it is too early, and the next look tries again.
    async fn is_led_to(&self) -> bool {
        let (Some(proxy), Some(upstream)) = (&self.proxy, &self.instance.upstream) else { return false };
        match proxy.route(&self.route).await {
            Ok(route) => route.is_some_and(|route| route.all_upstreams().any(|it| it == upstream)),
            Err(_) => true,
        }
    }

    async fn drain(&self) -> Result<(), ProxyError> {
        let (Some(proxy), Some(upstream)) = (&self.proxy, &self.instance.upstream) else { return Ok(()) };
        let deadline = Instant::now() + self.grace;
        tokio::time::sleep(SETTLE.min(self.grace)).await;
        while Instant::now() < deadline && proxy.requests_in_flight(upstream).await? > 0 {
            tokio::time::sleep(COUNT_EVERY).await;
        }
        Ok(())
    }
}

impl Keeper {
    /// Of the sick ones of an app, one is relieved at a time: the next when the one before has gone.
    pub(super) fn one_at_a_time(
        &self,
        docker: &DockerTarget,
        instances: &[Instance],
        cases: &mut BTreeMap<Which, Case>,
    ) {
        let mut relieving: BTreeMap<String, Which> = BTreeMap::new();
        // What is not this runner's own is never let go of, and must not be waited for.
        for instance in self.outgoing(instances).filter(|it| docker.is_own(it)) {
            relieving.insert(instance.app.clone(), (instance.app.clone(), instance.replica));
        }
        cases.retain(|which, (ailment, _)| {
            ailment.remedy() != Remedy::Relieve
                || relieving.entry(which.0.clone()).or_insert_with(|| which.clone()) == which
        });
    }

    /// Where two versions never run side by side, nothing is started beside one that stands in for what is live because that could
    /// not be returned to: it serves until people release something.
    pub(super) fn leave_stand_ins(&self, instances: &[Instance], cases: &mut BTreeMap<Which, Case>) {
        cases.retain(|which, _| !instances.iter().any(|it| it.app == which.0 && self.may_stand_in(it)));
    }

    /// Whether it is of another release than the live one, and must not run beside that.
    pub(super) fn may_stand_in(&self, instance: &Instance) -> bool {
        let is_other = instance.replica > 0 && instance.release != self.wanted.release.release;
        self.wanted.alone && is_other && instance.is_running()
    }

    /// Where a life before had begun to relieve a replica, the container that took its place has to prove itself first: until
    /// then the one that leaves is all that is known to serve.
    pub(super) fn doubt_unproven(&mut self, instances: &[Instance]) {
        let live = &self.wanted.release.release;
        let relieved: Vec<Which> = self
            .outgoing(instances)
            .filter(|it| it.is_running() && it.release == *live)
            .map(|it| (it.app.clone(), it.replica))
            .filter(|which| !self.cares.contains_key(which))
            .collect();
        for which in relieved {
            self.care(&which).is_unproven(Instant::now());
        }
    }

    /// Whether a second container of the replica may run while this one finishes; not a third.
    pub(super) fn may_stand_beside(&self, docker: &DockerTarget, sick: &Instance, instances: &[Instance]) -> bool {
        let is_third = |it: &Instance| (&it.app, it.replica) == (&sick.app, sick.replica);
        !self.wanted.alone && sick.is_running() && docker.is_own(sick) && !self.outgoing(instances).any(is_third)
    }

    /// Lets go of this runner's own containers of the environment that nobody needs any more: those that were relieved, and what
    /// a cleanup could not remove.
    pub(super) async fn let_go(&mut self, docker: &DockerTarget, instances: &[Instance]) {
        self.leaving.settle();
        let going: Vec<Instance> = self
            .outgoing(instances)
            .filter(|it| docker.is_own(it) && !self.leaving.names.contains(&it.name) && !self.is_needed(it, instances))
            .cloned()
            .collect();
        if going.is_empty() || !self.is_confirmed().await || self.stop.is_cancelled() {
            return;
        }
        for instance in going {
            tracing::info!(container = instance.name, "letting go of a container that no live release has");
            let app = self.wanted.release.apps.iter().find(|app| app.app == instance.app);
            let grace = Duration::from_millis(app.map_or(0, |app| app.run.drain_ms));
            let (docker, proxy) = (docker.clone(), self.means.proxy.clone());
            let route = self.target.names().route(&instance.app);
            self.leaving.begin(Departure { docker, proxy, route, instance, grace });
        }
    }

    /// The containers that are no replica's any more.
    fn outgoing<'i>(&self, instances: &'i [Instance]) -> impl Iterator<Item = &'i Instance> {
        instances.iter().filter(|it| it.replica > 0 && !self.is_in_place(it))
    }

    /// Whether it is the container of a replica that the environment is to have.
    pub(super) fn is_in_place(&self, instance: &Instance) -> bool {
        let is_its = |replica: &Replica<'_>| {
            (&replica.app.app, replica.number) == (&instance.app, instance.replica)
                && self.target.replica_name(*replica) == instance.name
        };
        replicas(&self.wanted).iter().any(is_its)
    }

    /// Whether it is all that its app has: nobody else is well.
    fn is_needed(&self, outgoing: &Instance, instances: &[Instance]) -> bool {
        let serves = outgoing.release == self.wanted.release.release && outgoing.is_running();
        let runs = |it: &&Instance| it.app == outgoing.app && it.is_running() && self.is_in_place(it);
        let is_well = |it: &Instance| self.is_well(&it.app, it.replica);
        (serves && !instances.iter().filter(runs).any(is_well))
            || (self.may_stand_in(outgoing) && instances.iter().find(runs).is_none())
    }
}
