//! Looking at an environment's services: all of them, their tasks and the nodes at once, however many replicas are asked
//! for.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use bollard::{
    models::{Node, NodeState, Service, Task},
    query_parameters::{ListNodesOptions, ListServicesOptionsBuilder, ListTasksOptionsBuilder},
};
use tokio::{sync::Mutex, time::Instant};

use super::{
    SwarmTarget,
    memory::{Key, Memory, Past},
    tasks::{self, Nodes, Slot},
};
use crate::{
    engine::labels as kinds,
    targets::docker::{ENVIRONMENT, Instance, TargetError},
};

/// How long one look serves all who ask: as many replicas as there may be are asked for side by side.
const FRESH: Duration = Duration::from_millis(150);

/// The last look, and what is remembered of all.
#[derive(Debug, Default)]
pub(super) struct Looks(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    view: Option<(Instant, Arc<View>)>,
    memory: Memory,
}

/// The environment's services as they stood at one moment.
#[derive(Debug, Default)]
pub(super) struct View {
    services: BTreeMap<String, Seen>,
    pasts: BTreeMap<Key, Past>,
    nodes: Nodes,
}

/// A service with its slots.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) service: Service,
    pub(super) slots: BTreeMap<u32, Slot>,
}

impl Seen {
    fn new(service: Service, tasks: Vec<Task>) -> Self {
        let replicas = tasks::replicas(&service);
        let tasks = tasks::told_by(&service, tasks);
        Seen { service, slots: tasks::numbered(tasks::slots(tasks), replicas) }
    }

    /// Its replicas.
    pub(super) fn instances(&self, nodes: &Nodes) -> Vec<Instance> {
        tasks::instances(&self.service, &self.slots, nodes)
    }

    fn name(&self) -> String {
        self.service.spec.as_ref().and_then(|spec| spec.name.clone()).unwrap_or_default()
    }
}

impl View {
    /// The replicas of all services, in a stable order.
    pub(super) fn instances(&self) -> Vec<Instance> {
        let mut found: Vec<Instance> = self.services.values().flat_map(|seen| seen.instances(&self.nodes)).collect();
        found.sort_by(|a, b| (&a.app, &a.release, a.replica).cmp(&(&b.app, &b.release, b.replica)));
        found
    }

    /// The replicas of one service; none where there is none of this name that is the environment's.
    pub(super) fn instances_of(&self, service: &str) -> Option<Vec<Instance>> {
        self.services.get(service).map(|seen| seen.instances(&self.nodes))
    }

    /// A slot by its name, also one without tasks; none where its service is gone.
    pub(super) fn slot(&self, name: &str) -> Option<Slot> {
        let (service, number) = name.rsplit_once('.')?;
        let slots = &self.services.get(service)?.slots;
        Some(number.parse().ok().and_then(|number: u32| slots.get(&number).cloned()).unwrap_or_default())
    }

    /// What was seen of a slot so far.
    pub(super) fn past(&self, name: &str) -> Past {
        let key = || Some((name.rsplit_once('.')?.0.to_owned(), self.slot(name)?.number()?));
        key().and_then(|key| self.pasts.get(&key).cloned()).unwrap_or_default()
    }

    /// A service of the environment as Swarm has it.
    pub(super) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name).map(|seen| &seen.service)
    }
}

impl SwarmTarget {
    /// The services as they stand now.
    pub(super) async fn look(&self) -> Result<Arc<View>, TargetError> {
        let mut last = self.looks.0.lock().await;
        self.look_into(&mut last).await
    }

    /// The same, or as they stood a moment ago: whoever asks for many replicas asks the engine once.
    pub(super) async fn seen(&self) -> Result<Arc<View>, TargetError> {
        let mut last = self.looks.0.lock().await;
        match &last.view {
            Some((at, view)) if at.elapsed() < FRESH => Ok(view.clone()),
            _ => self.look_into(&mut last).await,
        }
    }

    /// Something was changed: what was seen before it is out of date.
    pub(super) async fn look_anew(&self) {
        self.looks.0.lock().await.view = None;
    }

    /// What ended of a service so far is no fault of its own.
    pub(super) async fn excuse(&self, service: &str) {
        self.looks.0.lock().await.memory.excuse(service);
    }

    async fn look_into(&self, last: &mut Last) -> Result<Arc<View>, TargetError> {
        let at = Instant::now();
        let filters = kinds::filter(&[(kinds::KIND, kinds::KIND_RELEASE), (ENVIRONMENT, &self.placement.environment)]);
        let options = ListServicesOptionsBuilder::default().filters(&filters).build();
        let listed = self.engine.list_services(Some(options)).await;
        let services = listed.map_err(|failure| self.engine.error("list the environment's services", &failure))?;
        let ids: Vec<String> = services.iter().filter_map(|service| service.id.clone()).collect();
        let mut tasks: BTreeMap<String, Vec<Task>> = BTreeMap::new();
        for task in self.tasks(&ids).await? {
            tasks.entry(task.service_id.clone().unwrap_or_default()).or_default().push(task);
        }
        let mut view = View { nodes: self.nodes().await?, ..View::default() };
        for service in services {
            let own = service.id.as_ref().and_then(|id| tasks.remove(id)).unwrap_or_default();
            let seen = Seen::new(service, own);
            view.services.insert(seen.name(), seen);
        }
        let slots = view.services.iter().flat_map(|(name, seen)| {
            seen.slots.values().filter_map(|slot| Some(((name.clone(), slot.number()?), slot)))
        });
        last.memory.note(slots, Instant::now());
        view.pasts = last.memory.pasts().clone();
        let view = Arc::new(view);
        last.view = Some((at, view.clone()));
        Ok(view)
    }

    /// One service as it stands now, whosever it is.
    pub(super) async fn service(&self, name: &str) -> Result<Option<Seen>, TargetError> {
        let service = match self.engine.inspect_service(name, None).await {
            Ok(service) => service,
            Err(failure) => {
                let error = self.engine.error(format!("inspect the service {name}"), &failure);
                return if error.is_not_found() { Ok(None) } else { Err(error.into()) };
            }
        };
        let id: Vec<String> = service.id.clone().into_iter().collect();
        let tasks = self.tasks(&id).await?;
        Ok(Some(Seen::new(service, tasks)))
    }

    /// The tasks of services, by their ids.
    async fn tasks(&self, services: &[String]) -> Result<Vec<Task>, TargetError> {
        if services.is_empty() {
            return Ok(Vec::new());
        }
        let filters = HashMap::from([("service".to_owned(), services.to_vec())]);
        let options = ListTasksOptionsBuilder::default().filters(&filters).build();
        let listed = self.engine.list_tasks(Some(options)).await;
        Ok(listed.map_err(|failure| self.engine.error("list the tasks of its services", &failure))?)
    }

    /// The Swarm's nodes that are there.
    pub(super) async fn nodes(&self) -> Result<Nodes, TargetError> {
        let listed = self.engine.list_nodes(None::<ListNodesOptions>).await;
        let listed = listed.map_err(|failure| self.engine.error("list the Swarm's nodes", &failure))?;
        Ok(Nodes::new(listed.into_iter().filter_map(ready)))
    }
}

/// The id and address of a node that is there. A manager may not know its own address other than as a manager.
fn ready(node: Node) -> Option<(String, String)> {
    let status = node.status.filter(|status| status.state == Some(NodeState::READY))?;
    let known = status.addr.filter(|address| !matches!(address.as_str(), "" | "0.0.0.0" | "127.0.0.1" | "::" | "::1"));
    let as_manager = || {
        let address = node.manager_status?.addr?;
        address.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']).to_owned())
    };
    Some((node.id?, known.or_else(as_manager)?))
}

#[cfg(test)]
mod tests {
    use bollard::models::{ManagerStatus, NodeStatus};

    use super::*;

    #[test]
    fn a_manager_that_knows_no_address_of_its_own_has_the_one_that_it_manages_at() {
        let node = |address: &str, manager: Option<&str>| Node {
            id: Some("n".to_owned()),
            status: Some(NodeStatus {
                state: Some(NodeState::READY),
                addr: Some(address.to_owned()),
                ..NodeStatus::default()
            }),
            manager_status: manager
                .map(|address| ManagerStatus { addr: Some(address.to_owned()), ..ManagerStatus::default() }),
            ..Node::default()
        };
        let address = |node| ready(node).map(|(_, address)| address);
        assert_eq!(address(node("10.0.0.2", None)).as_deref(), Some("10.0.0.2"));
        assert_eq!(address(node("::", Some("[fd00::1]:2377"))).as_deref(), Some("fd00::1"));
        assert_eq!(address(node("0.0.0.0", Some("10.0.0.1:2377"))).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(node("0.0.0.0", None)), None);
    }
}
