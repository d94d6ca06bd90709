//! How replicas are doing, and what those use that run on this manager's own node: no manager tells it of other nodes.

use super::SwarmTarget;
use crate::targets::docker::{TargetError, Vitals, vitals};

impl SwarmTarget {
    /// How the replica is doing, as far as Swarm tells, and this node of what runs here: what others' containers use is not
    /// known, and counts as nothing. None if it is gone.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn vitals(&self, name: &str) -> Result<Option<Vitals>, TargetError> {
        let view = self.seen().await?;
        let Some(slot) = view.slot(name) else { return Ok(None) };
        let past = view.past(name);
        let used = match slot.container_on(self.own_node().await?) {
            Some(container) => vitals(&self.engine, container).await?,
            None => None,
        };
        Ok(Some(Vitals {
            // One that moves to another node is judged by its health.
            runs: slot.wanted().is_some(),
            restarts: past.ends,
            exit_code: past.exit_code,
            out_of_memory: used.as_ref().is_some_and(|used| used.out_of_memory),
            cpu_ns: used.as_ref().map_or(0, |used| used.cpu_ns),
            cpus: used.as_ref().map_or(1.0, |used| used.cpus),
            has_cpu_limit: used.as_ref().is_some_and(|used| used.has_cpu_limit),
            memory: used.as_ref().map_or(0, |used| used.memory),
            memory_limit: used.as_ref().map_or(0, |used| used.memory_limit),
            has_memory_limit: used.as_ref().is_some_and(|used| used.has_memory_limit),
        }))
    }

    /// The address of the node that the replica runs on, where that is not this one, whose engine alone is asked what its
    /// containers use.
    ///
    /// # Errors
    /// When the engine fails.
    pub(crate) async fn unmeasured(&self, name: &str) -> Result<Option<String>, TargetError> {
        let own = self.own_node().await?;
        let is_here = self.seen().await?.slot(name).is_none_or(|slot| slot.container_on(own).is_some());
        Ok(if is_here { None } else { self.find(name).await?.and_then(|instance| instance.address) })
    }

    /// The Swarm's id of this manager's own node.
    async fn own_node(&self) -> Result<&str, TargetError> {
        let asked = self.own_node.get_or_try_init(|| async {
            let info = self.engine.info().await;
            let info = info.map_err(|failure| self.engine.error("tell which node of its Swarm it is", &failure))?;
            let node = info.swarm.and_then(|swarm| swarm.node_id).filter(|node| !node.is_empty());
            node.ok_or_else(|| TargetError::NoManager { address: self.engine.address().to_owned() })
        });
        Ok(asked.await?)
    }
}
