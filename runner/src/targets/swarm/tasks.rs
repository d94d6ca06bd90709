//! What Swarm's tasks say of a service's slots: a slot is a replica, and has one task after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{Service, Task, TaskSpec, TaskState};

use super::service::REPLICAS;
use crate::targets::{
    Ending,
    docker::{Instance, InstanceState, PORT},
};

/// One slot with its tasks, the newest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot(Vec<Task>);

/// A service's slots by their numbers.
pub(super) fn slots(tasks: Vec<Task>) -> BTreeMap<u32, Slot> {
    let mut slots: BTreeMap<u32, Slot> = BTreeMap::new();
    for task in tasks {
        let Some(number) = task.slot.and_then(|slot| u32::try_from(slot).ok()) else { continue };
        slots.entry(number).or_default().0.push(task);
    }
    for slot in slots.values_mut() {
        slot.0.sort_by_key(|task| std::cmp::Reverse(task.created_at));
    }
    slots
}

/// The tasks that tell something of the service: how those ended that ran another image, which other hands gave it, does not.
pub(super) fn told_by(service: &Service, mut tasks: Vec<Task>) -> Vec<Task> {
    let wanted = image(service.spec.as_ref().and_then(|spec| spec.task_template.as_ref()));
    tasks.retain(|task| !has_ended(task) || image(task.spec.as_ref()) == wanted);
    tasks
}

/// Has slots beyond the service's replicas stand for those that have no task: after other hands scaled a service up, it is
/// Swarm's to choose which slots go on.
pub(super) fn numbered(mut slots: BTreeMap<u32, Slot>, replicas: u32) -> BTreeMap<u32, Slot> {
    let has_task = |number: &u32| slots.get(number).is_some_and(|slot| slot.wanted().is_some());
    let free: Vec<u32> = (1..=replicas).filter(|number| !has_task(number)).collect();
    let beyond: Vec<u32> = slots.keys().copied().filter(|number| *number > replicas && has_task(number)).collect();
    for (number, other) in free.into_iter().zip(beyond) {
        let Some(taken) = slots.remove(&other) else { continue };
        if let Some(ended) = slots.insert(number, taken) {
            slots.insert(other, ended);
        }
    }
    slots
}

/// How many slots a service has when all of its release runs.
pub(super) fn replicas(service: &Service) -> u32 {
    let labels = service.spec.as_ref().and_then(|spec| spec.labels.as_ref());
    labels.and_then(|labels| labels.get(REPLICAS)?.parse().ok()).unwrap_or(0)
}

impl Slot {
    /// The number that Swarm has for it; none where it never had a task.
    pub(super) fn number(&self) -> Option<i64> {
        self.0.first().and_then(|task| task.slot)
    }

    /// The task that Swarm wants to run here, or the one that goes on until that one runs; none once the slot was taken away.
    pub(super) fn wanted(&self) -> Option<&Task> {
        let stays = |task: &&Task| !is_asked_to_end(task);
        let runs = |task: &&Task| state(task) == TaskState::RUNNING;
        self.0.iter().filter(stays).find(runs).or_else(|| self.0.iter().find(stays))
    }

    /// Whether a node has taken the task and does not have what it needs for it yet.
    pub(super) fn is_fetching(&self) -> bool {
        self.wanted().is_some_and(|task| state(task) == TaskState::PREPARING)
    }

    /// The task that runs here and is to go on.
    pub(super) fn running(&self) -> Option<&Task> {
        self.wanted().filter(|task| state(task) == TaskState::RUNNING)
    }

    /// The container that runs here, where that is on this node.
    pub(super) fn container_on(&self, node: &str) -> Option<&str> {
        let task = self.running().filter(|task| task.node_id.as_deref() == Some(node))?;
        task.status.as_ref()?.container_status.as_ref()?.container_id.as_deref()
    }

    /// Whether a task has still to end here, also one that was just about to run. One on a node that is lost is not waited for.
    pub(super) fn is_ending(&self, nodes: &Nodes) -> bool {
        self.0.iter().any(|task| is_asked_to_end(task) && is_up(task) && nodes.is_ready(task))
    }

    /// The tasks that Swarm wants to end and that have not yet, as far as is known.
    pub(super) fn asked_to_end(&self) -> impl Iterator<Item = String> + '_ {
        let asked = self.0.iter().filter(|task| is_asked_to_end(task) && !has_ended(task));
        asked.filter_map(|task| task.id.clone())
    }

    /// The tasks that nobody waits for any more: they have ended, or Swarm wants them to.
    pub(super) fn past(&self) -> BTreeSet<String> {
        self.0
            .iter()
            .filter(|task| is_asked_to_end(task) || has_ended(task))
            .filter_map(|task| task.id.clone())
            .collect()
    }

    /// How the newest task ended that did so by itself, other than those of before.
    pub(super) fn ending_after(&self, before: &BTreeSet<String>) -> Option<Ending> {
        let is_new = |task: &&Task| task.id.as_ref().is_none_or(|id| !before.contains(id));
        self.0.iter().filter(is_new).find_map(ending)
    }

    /// The tasks that ran and ended by themselves, the oldest first, each with its exit code.
    pub(super) fn ends(&self) -> impl Iterator<Item = (String, i64)> + '_ {
        let ended = |task: &&Task| matches!(state(task), TaskState::FAILED | TaskState::COMPLETE);
        self.0.iter().rev().filter(ended).filter_map(|task| Some((task.id.clone()?, exit_code(task).unwrap_or(0))))
    }

    /// Whether Swarm still knows this task.
    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|task| task.id.as_deref() == Some(id))
    }

    /// The newest task that may have written something.
    pub(super) fn spoke(&self) -> Option<&str> {
        let has_begun = |task: &&Task| {
            let container = task.status.as_ref().and_then(|status| status.container_status.as_ref());
            container.and_then(|container| container.container_id.as_deref()).is_some_and(|id| !id.is_empty())
        };
        self.0.iter().find(has_begun).and_then(|task| task.id.as_deref())
    }
}

/// The Swarm's nodes by their ids: their addresses, of those that are there.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes(HashMap<String, String>);

impl Nodes {
    /// From the ids and addresses of the nodes that are ready.
    pub(super) fn new(ready: impl IntoIterator<Item = (String, String)>) -> Self {
        Nodes(ready.into_iter().collect())
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    fn address(&self, task: &Task) -> Option<&String> {
        task.node_id.as_ref().and_then(|node| self.0.get(node))
    }

    fn is_ready(&self, task: &Task) -> bool {
        self.address(task).is_some()
    }
}

/// The replicas of a service: those that its release has, and those that run beyond them.
pub(super) fn instances(service: &Service, slots: &BTreeMap<u32, Slot>, nodes: &Nodes) -> Vec<Instance> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let (name, labels) = (spec.name.clone().unwrap_or_default(), spec.labels.clone().unwrap_or_default());
    let wanted = slots.iter().filter(|(_, slot)| slot.wanted().is_some()).map(|(number, _)| *number);
    let numbers: BTreeSet<u32> = (1..=replicas(service)).chain(wanted).collect();
    let image = image(spec.task_template.as_ref()).unwrap_or_default();
    let of = |number: u32| {
        let task = slots.get(&number).and_then(Slot::wanted);
        let running = task.filter(|task| state(task) == TaskState::RUNNING);
        let address = running.and_then(|task| nodes.address(task)).cloned();
        let state = match (task, running) {
            (_, Some(_)) => InstanceState::Running,
            (Some(_), None) => InstanceState::Coming,
            (None, None) => InstanceState::Startable,
        };
        let is_lost = running.is_some() && address.is_none();
        let waits = task.filter(|_| running.is_none()).map(why);
        let waits = waits.or_else(|| is_lost.then(|| "the node that it runs on does not answer".to_owned()));
        let id = task.and_then(|task| task.id.clone()).unwrap_or_default();
        let mut labels = labels.clone();
        // What a task of a node is reached at is the node's to say.
        let port = labels.remove(PORT).and(running).and_then(published);
        // Until a service that was changed is through with it, its tasks are of both kinds.
        let own = task.and_then(|task| self::image(task.spec.as_ref())).unwrap_or_else(|| image.clone());
        Instance::of_task(id, format!("{name}.{number}"), own, number, state, (address, port), labels).waiting(waits)
    };
    numbers.into_iter().map(of).collect()
}

fn image(task: Option<&TaskSpec>) -> Option<String> {
    task?.container_spec.as_ref()?.image.clone()
}

/// Why a task does not run yet, in Swarm's words.
fn why(task: &Task) -> String {
    let status = task.status.as_ref();
    let said = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
    let reason = said(status.and_then(|status| status.err.as_ref()));
    reason.unwrap_or_else(|| format!("its task is {}", state(task)))
}

fn published(task: &Task) -> Option<u16> {
    let ports = task.status.as_ref()?.port_status.as_ref()?.ports.as_ref()?;
    ports.first()?.published_port.and_then(|port| u16::try_from(port).ok())
}

fn state(task: &Task) -> TaskState {
    task.status.as_ref().and_then(|status| status.state).unwrap_or(TaskState::NEW)
}

fn is_asked_to_end(task: &Task) -> bool {
    matches!(task.desired_state, Some(TaskState::SHUTDOWN | TaskState::REMOVE))
}

/// Whether its node runs the task, or is about to.
fn is_up(task: &Task) -> bool {
    matches!(state(task), TaskState::READY | TaskState::STARTING | TaskState::RUNNING)
}

fn has_ended(task: &Task) -> bool {
    use TaskState::{COMPLETE, FAILED, ORPHANED, REJECTED, REMOVE, SHUTDOWN};
    matches!(state(task), COMPLETE | FAILED | ORPHANED | REJECTED | REMOVE | SHUTDOWN)
}

fn exit_code(task: &Task) -> Option<i64> {
    task.status.as_ref()?.container_status.as_ref()?.exit_code
}

/// How a task ended by itself; none if it goes on, or was ended by Swarm.
fn ending(task: &Task) -> Option<Ending> {
    let code = exit_code(task).unwrap_or(0);
    match state(task) {
        TaskState::COMPLETE => Some(Ending::Exit(code)),
        // It says no more than the code, or what Swarm met.
        TaskState::FAILED => match why(task) {
            said if said == format!("task: non-zero exit ({code})") => Some(Ending::Exit(code)),
            said => Some(Ending::Refused(said)),
        },
        TaskState::REJECTED => Some(Ending::Refused(why(task))),
        _ => None,
    }
}

/// A task of slot 1 that no Swarm has seen; its id is its age.
#[cfg(test)]
pub(super) fn model(age: i64, wanted: TaskState, is: TaskState, err: &str) -> Task {
    let container_status = bollard::models::ContainerStatus { exit_code: Some(3), ..Default::default() };
    Task {
        id: Some(format!("task{age}")),
        slot: Some(1),
        node_id: Some("node".to_owned()),
        created_at: format!("2026-01-01T00:00:{:02}Z", 60 - age).parse().ok(),
        desired_state: Some(wanted),
        status: Some(bollard::models::TaskStatus {
            state: Some(is),
            err: Some(err.to_owned()),
            container_status: Some(container_status),
            ..Default::default()
        }),
        ..Task::default()
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{EndpointPortConfig, PortStatus, ServiceSpec};

    use super::*;

    fn slot(tasks: Vec<Task>) -> Slot {
        slots(tasks).remove(&1).unwrap_or_default()
    }

    fn nodes(address: &str) -> Nodes {
        Nodes::new([("node".to_owned(), address.to_owned())])
    }

    #[test]
    fn a_task_that_failed_says_how_unless_it_is_of_before() {
        let failed = || model(2, TaskState::SHUTDOWN, TaskState::FAILED, "task: non-zero exit (3)");
        let next = |is| model(1, TaskState::RUNNING, is, "");
        let (none, before) = (BTreeSet::new(), slot(vec![failed()]).past());
        let waits = slot(vec![failed(), next(TaskState::READY)]);
        assert_eq!(waits.ending_after(&none), Some(Ending::Exit(3)));
        assert_eq!(waits.ending_after(&before), None, "a slot that is used again begins anew");
        assert_eq!(slot(vec![failed(), next(TaskState::RUNNING)]).ending_after(&none), Some(Ending::Exit(3)));
        let again = model(1, TaskState::RUNNING, TaskState::FAILED, "task: non-zero exit (3)");
        assert_eq!(slot(vec![failed(), again]).ending_after(&before), Some(Ending::Exit(3)));
        let rejected = model(1, TaskState::SHUTDOWN, TaskState::REJECTED, "No such image: web");
        let refused = Some(Ending::Refused("No such image: web".to_owned()));
        assert_eq!(slot(vec![rejected]).ending_after(&none), refused);
    }

    #[test]
    fn a_slot_that_moves_from_a_lost_node_is_no_failure() {
        let lost = model(2, TaskState::SHUTDOWN, TaskState::RUNNING, "");
        let moved = slot(vec![lost, model(1, TaskState::RUNNING, TaskState::PENDING, "no suitable node")]);
        assert_eq!(moved.ending_after(&BTreeSet::new()), None);
        assert_eq!(moved.ends().count(), 0);
        assert!(!moved.is_ending(&Nodes::default()), "nobody hears of its end");
        assert!(moved.is_ending(&nodes("10.0.0.1")));
        assert_eq!(moved.wanted().map(why), Some("no suitable node".to_owned()));
    }

    #[test]
    fn a_task_serves_until_its_successor_runs() {
        let old = || model(2, TaskState::RUNNING, TaskState::RUNNING, "");
        let next = |is| model(1, TaskState::RUNNING, is, "");
        let wanted = |tasks| slot(tasks).wanted().and_then(|task| task.id.clone()).unwrap_or_default();
        assert_eq!(wanted(vec![next(TaskState::PREPARING), old()]), "task2");
        assert_eq!(wanted(vec![next(TaskState::RUNNING), old()]), "task1");
    }

    #[test]
    fn a_task_that_is_about_to_run_is_waited_for_as_well() {
        for (state, is_ending) in [(TaskState::STARTING, true), (TaskState::READY, true), (TaskState::SHUTDOWN, false)]
        {
            let ends = slot(vec![model(1, TaskState::SHUTDOWN, state, "")]);
            assert_eq!(ends.is_ending(&nodes("10.0.0.1")), is_ending, "{state}");
        }
    }

    #[test]
    fn slots_that_swarm_kept_after_a_scaling_stand_for_those_that_it_did_not() {
        let of = |number: u32, wanted| {
            let task = Task { slot: Some(number.into()), ..model(number.into(), wanted, wanted, "") };
            (number, Slot(vec![task]))
        };
        let (up, down) = (TaskState::RUNNING, TaskState::SHUTDOWN);
        let slots = BTreeMap::from([of(1, up), of(2, down), of(3, up), of(5, up), of(6, up)]);
        let numbers = |slots: BTreeMap<u32, Slot>| {
            let number = |(number, slot): (&u32, &Slot)| (*number, slot.number().unwrap_or_default());
            slots.iter().filter(|(_, slot)| slot.wanted().is_some()).map(number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(numbered(slots.clone(), 4)), [(1, 1), (2, 5), (3, 3), (4, 6)]);
        assert_eq!(numbers(numbered(slots, 3)), [(1, 1), (2, 5), (3, 3), (6, 6)]);
    }

    #[test]
    fn a_slot_between_two_tasks_is_coming_and_one_without_is_not() {
        let state = |tasks| seen(&slots(tasks), "10.0.0.1").state;
        let failed = || model(2, TaskState::SHUTDOWN, TaskState::FAILED, "");
        assert_eq!(state(vec![failed()]), InstanceState::Startable);
        assert_eq!(state(vec![failed(), model(1, TaskState::RUNNING, TaskState::READY, "")]), InstanceState::Coming);
        assert_eq!(state(vec![model(1, TaskState::RUNNING, TaskState::RUNNING, "")]), InstanceState::Running);
    }

    #[test]
    fn an_upstream_is_written_as_addresses_of_both_kinds_are() {
        let upstream = |address| {
            let mut task = model(1, TaskState::RUNNING, TaskState::RUNNING, "");
            if let Some(status) = &mut task.status {
                let port = EndpointPortConfig { published_port: Some(30_001), ..EndpointPortConfig::default() };
                status.port_status = Some(PortStatus { ports: Some(vec![port]) });
            }
            seen(&slots(vec![task]), address).upstream
        };
        assert_eq!(upstream("10.0.0.1").as_deref(), Some("10.0.0.1:30001"));
        assert_eq!(upstream("fd00::2").as_deref(), Some("[fd00::2]:30001"));
    }

    /// The first replica of a service of one.
    fn seen(slots: &BTreeMap<u32, Slot>, node: &str) -> Instance {
        let labels = HashMap::from([(REPLICAS.to_owned(), "1".to_owned()), (PORT.to_owned(), "80".to_owned())]);
        let service = Service {
            spec: Some(ServiceSpec { labels: Some(labels), ..ServiceSpec::default() }),
            ..Service::default()
        };
        instances(&service, slots, &nodes(node)).remove(0)
    }
}
