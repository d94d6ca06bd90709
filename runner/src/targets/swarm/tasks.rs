//! What Swarm's tasks say of a service's slots: a slot is a replica, and has one task after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{Service, Task, TaskState};

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

impl Slot {
    /// The task that Swarm wants to run here; none once the slot was taken away.
    pub(super) fn wanted(&self) -> Option<&Task> {
        self.0.iter().find(|task| !matches!(task.desired_state, Some(TaskState::SHUTDOWN | TaskState::REMOVE)))
    }

    /// Whether a node has taken the task and does not have what it needs for it yet.
    pub(super) fn is_fetching(&self) -> bool {
        self.wanted().is_some_and(|task| state(task) == TaskState::PREPARING)
    }

    /// Whether a task has still to end here. One on a node that is lost is not waited for.
    pub(super) fn is_ending(&self, nodes: &Nodes) -> bool {
        let ends = |task: &Task| matches!(task.desired_state, Some(TaskState::SHUTDOWN | TaskState::REMOVE));
        self.0.iter().any(|task| ends(task) && state(task) == TaskState::RUNNING && nodes.is_ready(task))
    }

    /// How the newest task ended that did so by itself, unless one runs in its place.
    pub(super) fn ending(&self) -> Option<Ending> {
        let newest = self.0.first()?;
        if state(newest) == TaskState::RUNNING {
            return None;
        }
        self.0.iter().take(2).find_map(ending)
    }

    /// How many of its tasks ended by themselves, as far as Swarm remembers, and with which exit code the newest of them did.
    pub(super) fn failures(&self) -> (i64, i64) {
        let has_ended = |task: &&Task| matches!(state(task), TaskState::FAILED | TaskState::COMPLETE);
        let failed: Vec<&Task> = self.0.iter().filter(has_ended).collect();
        let code = failed.first().and_then(|task| exit_code(task)).unwrap_or(0);
        (i64::try_from(failed.len()).unwrap_or(i64::MAX), code)
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
    let replicas: u32 = labels.get(REPLICAS).and_then(|count| count.parse().ok()).unwrap_or(0);
    let wanted = slots.iter().filter(|(_, slot)| slot.wanted().is_some()).map(|(number, _)| *number);
    let numbers: BTreeSet<u32> = (1..=replicas).chain(wanted).collect();
    let container = spec.task_template.as_ref().and_then(|task| task.container_spec.as_ref());
    let image = container.and_then(|container| container.image.clone()).unwrap_or_default();
    let of = |number: u32| {
        let task = slots.get(&number).and_then(Slot::wanted);
        let running = task.filter(|task| state(task) == TaskState::RUNNING);
        let address = running.and_then(|task| nodes.address(task)).cloned();
        let state = if running.is_some() { InstanceState::Running } else { InstanceState::Startable };
        let is_lost = running.is_some() && address.is_none();
        let waits = task.filter(|_| running.is_none()).map(why);
        let waits = waits.or_else(|| is_lost.then(|| "the node that it runs on does not answer".to_owned()));
        let id = task.and_then(|task| task.id.clone()).unwrap_or_default();
        let mut labels = labels.clone();
        // What a task of a node is reached at is the node's to say.
        let port = labels.remove(PORT).and(running).and_then(published);
        Instance::of_task(id, format!("{name}.{number}"), image.clone(), number, state, (address, port), labels)
            .waiting(waits)
    };
    numbers.into_iter().map(of).collect()
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

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerStatus, TaskStatus};

    use super::*;

    fn task(age: i64, wanted: TaskState, is: TaskState, err: &str) -> Task {
        let created_at = format!("2026-01-01T00:00:{:02}Z", 60 - age).parse().ok();
        Task {
            slot: Some(1),
            created_at,
            desired_state: Some(wanted),
            status: Some(TaskStatus {
                state: Some(is),
                err: Some(err.to_owned()),
                container_status: Some(ContainerStatus { exit_code: Some(3), ..ContainerStatus::default() }),
                ..TaskStatus::default()
            }),
            ..Task::default()
        }
    }

    fn slot(tasks: Vec<Task>) -> Slot {
        slots(tasks).remove(&1).unwrap_or_default()
    }

    #[test]
    fn a_slot_whose_task_failed_says_how_until_another_one_runs() {
        let failed = || task(2, TaskState::SHUTDOWN, TaskState::FAILED, "task: non-zero exit (3)");
        let next = |is| task(1, TaskState::RUNNING, is, "");
        assert_eq!(slot(vec![failed(), next(TaskState::READY)]).ending(), Some(Ending::Exit(3)));
        assert_eq!(slot(vec![failed(), next(TaskState::RUNNING)]).ending(), None);
        let rejected = task(1, TaskState::SHUTDOWN, TaskState::REJECTED, "No such image: web");
        assert_eq!(slot(vec![rejected]).ending(), Some(Ending::Refused("No such image: web".to_owned())));
    }

    #[test]
    fn a_slot_that_moves_from_a_lost_node_is_no_failure() {
        let lost = task(2, TaskState::SHUTDOWN, TaskState::RUNNING, "");
        let moved = slot(vec![lost, task(1, TaskState::RUNNING, TaskState::PENDING, "no suitable node")]);
        assert_eq!(moved.ending(), None);
        assert_eq!(moved.failures(), (0, 0));
        assert!(!moved.is_ending(&Nodes::default()), "nobody hears of its end");
        assert_eq!(moved.wanted().map(why), Some("no suitable node".to_owned()));
    }
}
