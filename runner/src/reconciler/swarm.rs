//! What is different in an environment on a Swarm: its own scheduler puts right what does not run, so that this is only told;
//! what is put right are services that other hands removed or changed; and what nobody wants any more are services, too.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::{
    ailment::Ailment,
    keeper::{Case, Keeper, Which, replicas, which},
};
use crate::{
    coordinator::ReleaseContent,
    targets::{
        docker::{Instance, Replica, TargetError},
        swarm::{Deviation, SwarmTarget},
    },
};

/// What is done about what Swarm's scheduler sees, what other hands changed, and a service in the place of one of Slipway's.
const LEFT_TO_SWARM: &str = "left to Swarm, and no request is led to it";
const CHANGED_BACK: &str = "changed its service back";
const LEFT_AS_IT_IS: &str = "left as it is: nobody but its owner removes a service that is not Slipway's";

/// What is known of the services of an environment.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// What other hands did, by apps.
    altered: BTreeMap<String, Ailment>,
    /// Whether the nodes have had the registries' logins from this keeper.
    have_logins: bool,
}

impl Services {
    /// Whether other hands have changed any, and they are not changed back yet.
    pub(super) fn are_altered(&self) -> bool {
        !self.altered.is_empty()
    }

    /// Why a replica of the app is as it is: other hands have made it so, or the replica itself.
    pub(super) fn explain(&self, app: &str, ailment: Ailment) -> Ailment {
        self.altered.get(app).filter(|_| ailment.is_own_doing()).cloned().unwrap_or(ailment)
    }
}

impl Keeper {
    /// Compares the services with what the release asks for.
    pub(super) async fn compare_services(&mut self) -> Result<(), TargetError> {
        let Some(swarm) = self.target.as_swarm() else { return Ok(()) };
        let mut altered = BTreeMap::new();
        for replica in last_replicas(&self.wanted.release) {
            if let Some(deviation) = swarm.deviation(replica).await? {
                let ailment = match deviation {
                    Deviation::Removed => Ailment::Removed,
                    Deviation::Altered(what) => Ailment::Altered(what),
                };
                altered.insert(replica.app.app.clone(), ailment);
            }
        }
        self.services.altered = altered;
        Ok(())
    }

    /// Makes services again that other hands removed, and changes back what they changed; else sees to it once that the nodes
    /// have the newest logins.
    pub(super) async fn put_services_right(&mut self, swarm: &SwarmTarget, cases: &BTreeMap<Which, Case>) {
        let (wanted, now) = (self.wanted.clone(), Instant::now());
        let mut due = Vec::new();
        for replica in last_replicas(&wanted.release) {
            let Some(ailment) = self.services.altered.get(&replica.app.app).cloned() else { continue };
            if (1..=replica.number).all(|number| self.care(&(replica.app.app.clone(), number)).may_be_treated(now)) {
                due.push((replica, ailment));
            }
        }
        let need_logins = !self.services.have_logins && !self.services.are_altered();
        if (due.is_empty() && !need_logins) || !self.is_confirmed().await || self.stop.is_cancelled() {
            return;
        }
        if need_logins {
            self.services.have_logins = self.renew_logins(swarm).await;
        }
        for (replica, ailment) in due {
            let put_right = async {
                swarm.ensure_network().await?;
                swarm.put_right(replica).await
            };
            let failed = put_right.await.err().map(|error| format!("could not put it right: {error}"));
            let service = swarm.service_name(replica);
            tracing::info!(service, found = %ailment, ?failed, "a service was not as it should be");
            for number in 1..=replica.number {
                let which = (replica.app.app.clone(), number);
                let (care, now) = (self.care(&which), Instant::now());
                let done = if ailment == Ailment::Removed { ailment.done() } else { CHANGED_BACK };
                let done = failed.clone().unwrap_or_else(|| done.to_owned());
                match cases.get(&which) {
                    Some((ailment, _)) => care.was_treated(ailment, done, now),
                    None => care.was_set_right(&ailment, done, now),
                }
            }
        }
    }

    /// Gives the nodes the logins of the apps' registries anew, which may have changed since the services were made; whether
    /// they have them.
    async fn renew_logins(&self, swarm: &SwarmTarget) -> bool {
        for replica in last_replicas(&self.wanted.release) {
            if let Err(error) = swarm.renew_login(replica).await {
                tracing::warn!(%error, "the nodes do not have the registry's login; trying again");
                return false;
            }
        }
        true
    }

    /// Whose tasks ended by themselves since the last look, also where the next one runs already.
    pub(super) async fn count_ends(&mut self, swarm: &SwarmTarget) -> Result<(), TargetError> {
        let wanted = self.wanted.clone();
        let is_altered = |replica: &Replica<'_>| self.services.altered.contains_key(&replica.app.app);
        let as_made: Vec<Replica<'_>> = replicas(&wanted).into_iter().filter(|replica| !is_altered(replica)).collect();
        for replica in as_made {
            if let Some((ends, exit_code)) = swarm.ends(&swarm.replica_name(replica)).await? {
                self.care(&which(replica)).looked_at(ends, exit_code, Instant::now());
            }
        }
        Ok(())
    }

    /// Tells what is wrong where the service is as it should be, once until it is over.
    pub(super) fn leave_to_swarm(&mut self, cases: &BTreeMap<Which, Case>) {
        for (which, (ailment, _)) in cases {
            if self.services.altered.contains_key(&which.0) {
                continue;
            }
            let done = if *ailment == Ailment::Foreign { LEFT_AS_IT_IS } else { LEFT_TO_SWARM };
            self.care(which).is_left(ailment, done);
        }
    }

    /// Removes this runner's own services of the environment that nobody wants any more, such as what a cleanup could not.
    pub(super) async fn remove_stray_services(&self, swarm: &SwarmTarget, instances: &[Instance]) {
        let wanted: BTreeSet<String> =
            replicas(&self.wanted).into_iter().map(|replica| swarm.service_name(replica)).collect();
        let is_stray = |it: &&Instance| swarm.is_own(it) && it.service().is_some_and(|name| !wanted.contains(name));
        let strays: Vec<Instance> = instances.iter().filter(is_stray).cloned().collect();
        if strays.is_empty() || !self.is_confirmed().await || self.stop.is_cancelled() {
            return;
        }
        for service in strays.iter().filter_map(Instance::service).collect::<BTreeSet<_>>() {
            tracing::info!(service, "removing a service that no live release has");
        }
        if let Err(error) = swarm.remove_all(&strays).await {
            tracing::warn!(%error, "a service cannot be removed; trying again");
        }
    }
}

/// The last replica of each app that has any: with it, all of its service is meant.
fn last_replicas(release: &ReleaseContent) -> impl Iterator<Item = Replica<'_>> {
    let apps = release.apps.iter().filter(|app| app.run.replicas > 0);
    apps.map(move |app| Replica { release, app, number: app.run.replicas })
}
