//! What is different in an environment on a Swarm: its own scheduler puts right what does not run, so that this is only told;
//! and what nobody wants any more are services.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::keeper::{Case, Keeper, Which, replicas, which};
use crate::targets::{
    docker::{Instance, TargetError},
    swarm::SwarmTarget,
};

/// What is done about what Swarm's scheduler sees, and about what other hands did.
const LEFT_TO_SWARM: &str = "left to Swarm, and no request is led to it";
const LEFT_AS_IT_IS: &str = "left as it is: `slipway environment restore` makes it anew";

impl Keeper {
    /// Whose tasks ended by themselves since the last look, also where the next one runs already.
    pub(super) async fn count_ends(&mut self, swarm: &SwarmTarget) -> Result<(), TargetError> {
        let wanted = self.wanted.clone();
        for replica in replicas(&wanted) {
            if let Some((ends, exit_code)) = swarm.ends(&swarm.replica_name(replica)).await? {
                self.care(&which(replica)).looked_at(ends, exit_code, Instant::now());
            }
        }
        Ok(())
    }

    /// Tells what is wrong, once until it is over.
    pub(super) fn leave_to_swarm(&mut self, cases: &BTreeMap<Which, Case>) {
        for (which, (ailment, _)) in cases {
            let done = if ailment.is_own_doing() { LEFT_TO_SWARM } else { LEFT_AS_IT_IS };
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
