//! What is wrong with the replicas: as the engine lists them, by how they ended, and as they answer.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{
    ailment::{Ailment, Found, diagnose},
    keeper::{AT_ONCE, Case, Keeper, Which, replicas, which},
};
use crate::{
    registry::pinned,
    targets::{
        Target,
        docker::{Instance, TargetError},
    },
};

/// How often it is looked whether everybody has its name in the network, of which the engine's list tells nothing.
const NAMES_EVERY: Duration = Duration::from_secs(60);

impl Keeper {
    /// What is wrong with the replicas, as far as can be seen from outside.
    pub(super) async fn diagnose(&mut self, instances: &[Instance]) -> Result<BTreeMap<Which, Case>, TargetError> {
        let wanted = self.wanted.clone();
        self.doubt_unproven(instances);
        let mut cases = BTreeMap::new();
        // On a Swarm the service has the name.
        let names_are_due = matches!(self.target, Target::Docker(_)) && Instant::now() >= self.names_due;
        for replica in replicas(&wanted) {
            let name = self.target.replica_name(replica);
            let image = pinned(&replica.app.image, &replica.app.digest);
            let is_named = |listed: &Instance| !names_are_due && !self.connected.contains(&listed.id);
            let found = match instances.iter().find(|instance| instance.name == name) {
                Some(listed) if listed.image == image && is_named(listed) => Some(listed.clone()),
                // The engine's list may have another word for the image, and has nothing of names and of what lacks the
                // labels.
                _ => self.target.find(&name).await?,
            };
            let seen = found.as_ref().map(|instance| Found {
                instance,
                is_ours: self.target.is_ours(instance, replica),
                is_slipways: self.target.is_of_environment(instance),
            });
            if let Some(ailment) = diagnose(seen, &image) {
                let ailment = match &self.target {
                    Target::Docker(docker) if ailment == Ailment::Restarting && docker.is_untold(&name).await? => {
                        Ailment::Untold
                    }
                    _ => ailment,
                };
                let ailment = self.services.explain(&replica.app.app, ailment);
                self.care(&which(replica)).falls_ill(Instant::now());
                cases.insert(which(replica), (ailment, found));
            }
        }
        if names_are_due {
            self.names_due = Instant::now() + NAMES_EVERY;
        }
        // One that was found without its name, and may not be treated yet, stays ill until it is.
        let nameless = cases.values().filter(|(ailment, _)| *ailment == Ailment::Nameless);
        self.connected = nameless.filter_map(|(_, found)| Some(found.as_ref()?.id.clone())).collect();
        Ok(cases)
    }

    /// Whose container ended and was started again by the engine itself.
    pub(super) async fn look_for_ends(&mut self, instances: &[Instance]) -> Result<(), TargetError> {
        let docker = match self.target.clone() {
            Target::Docker(docker) => docker,
            Target::Swarm(swarm) => return self.count_ends(&swarm).await,
        };
        let own: Vec<Instance> =
            instances.iter().filter(|it| it.is_running() && self.is_in_place(it)).cloned().collect();
        for instance in &own {
            let which = (instance.app.clone(), instance.replica);
            if self.cares.get(&which).is_none_or(|care| care.is_suspect)
                && let Some((restarts, exit_code)) = docker.restarts(&instance.name).await?
            {
                self.care(&which).looked_at(restarts, exit_code, Instant::now());
            }
        }
        Ok(())
    }

    /// Asks those that are due and not known to be ill whether they are well.
    pub(super) async fn probe(
        &mut self,
        instances: &[Instance],
        cases: &mut BTreeMap<Which, Case>,
    ) -> Result<(), TargetError> {
        let wanted = self.wanted.clone();
        let now = Instant::now();
        let mut due = Vec::new();
        for replica in replicas(&wanted) {
            if cases.contains_key(&which(replica)) {
                continue;
            }
            let name = self.target.replica_name(replica);
            let Some(listed) = instances.iter().find(|instance| instance.name == name) else { continue };
            let care = self.care(&which(replica));
            if care.is_due(now) {
                due.push((replica, listed, care.ran(now)));
            }
        }
        let (prober, target) = (&self.prober, &self.target);
        let mut asked = Vec::with_capacity(due.len());
        for (replica, listed, ran) in due {
            asked.push(
                async move { (replica, listed, prober.probe(target, listed, &replica.app.run.health, ran).await) },
            );
        }
        let answers: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).collect().await;
        for (replica, listed, answer) in answers {
            let (now, check) = (Instant::now(), &replica.app.run.health);
            match answer? {
                Ok(()) if self.care(&which(replica)).passed(check, now) => {
                    self.target.keep_running(&listed.name).await?;
                }
                Ok(()) => {}
                Err(met) => {
                    if let Some(ailment) = self.care(&which(replica)).failed(met, check, now) {
                        self.care(&which(replica)).falls_ill(now);
                        cases.insert(which(replica), (ailment, Some(listed.clone())));
                    }
                }
            }
        }
        Ok(())
    }
}
