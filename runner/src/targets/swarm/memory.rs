//! What is remembered of the slots from look to look, by the ids of their tasks: Swarm itself forgets all but the last few
//! tasks of each, and how often one ended between two looks.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;

use super::tasks::Slot;

/// A service, and the number that Swarm has for one of its slots.
pub(super) type Key = (String, i64);

/// What was seen of every slot so far.
#[derive(Debug, Default)]
pub(super) struct Memory {
    has_looked: bool,
    pasts: BTreeMap<Key, Past>,
}

/// What was seen of one slot so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// How many of its tasks ended by themselves.
    pub(super) ends: i64,
    /// The exit code of the last of them.
    pub(super) exit_code: i64,
    /// The tasks whose end is counted, or is Swarm's doing.
    known: BTreeSet<String>,
    runs: Option<Run>,
}

/// The task that runs in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    task: String,
    /// When it was first seen to run; none where it did at the first look of all.
    since: Option<Instant>,
}

impl Memory {
    /// Takes note of the slots as they stand. What is not among them any more is forgotten.
    pub(super) fn note<'s>(&mut self, slots: impl Iterator<Item = (Key, &'s Slot)>, now: Instant) {
        let since = self.has_looked.then_some(now);
        let noted = slots.map(|(key, slot)| {
            let mut past = self.pasts.remove(&key).unwrap_or_default();
            past.note(slot, since);
            (key, past)
        });
        self.pasts = noted.collect();
        self.has_looked = true;
    }

    /// What ended of a service so far counts no more: other hands had changed it.
    pub(super) fn excuse(&mut self, service: &str) {
        for (_, past) in self.pasts.iter_mut().filter(|((of, _), _)| of == service) {
            past.ends = 0;
        }
    }

    /// What was seen of the slots so far.
    pub(super) fn pasts(&self) -> &BTreeMap<Key, Past> {
        &self.pasts
    }
}

impl Past {
    fn note(&mut self, slot: &Slot, since: Option<Instant>) {
        // A task that Swarm asked to end may end in any way.
        self.known.extend(slot.asked_to_end());
        for (task, exit_code) in slot.ends() {
            if self.known.insert(task) {
                self.ends += 1;
                self.exit_code = exit_code;
            }
        }
        self.known.retain(|task| slot.has(task));
        let task = slot.running().and_then(|task| task.id.clone());
        self.runs = match (self.runs.take(), task) {
            (Some(run), Some(task)) if run.task == task => Some(run),
            (_, Some(task)) => Some(Run { task, since }),
            (_, None) => None,
        };
    }

    /// How long its task has run, as far as that was seen; for ever where it ran before the first look.
    pub(super) fn ran(&self, now: Instant) -> Duration {
        match &self.runs {
            Some(Run { since: Some(since), .. }) => now.duration_since(*since),
            Some(Run { since: None, .. }) => Duration::MAX,
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::TaskState::{FAILED, RUNNING, SHUTDOWN};

    use super::{super::tasks::model, *};

    fn look(memory: &mut Memory, tasks: &[bollard::models::Task], now: Instant) -> Past {
        let slots = super::super::tasks::slots(tasks.to_vec());
        let key = |number: u32| ("web".to_owned(), i64::from(number));
        memory.note(slots.iter().map(|(number, slot)| (key(*number), slot)), now);
        memory.pasts().get(&key(1)).cloned().unwrap_or_default()
    }

    #[test]
    fn every_end_counts_once_also_when_swarm_has_forgotten_the_first_ones() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let failed = |age| model(age, SHUTDOWN, FAILED, "task: non-zero exit (3)");
        let past = look(&mut memory, &[failed(9), failed(8), model(7, RUNNING, RUNNING, "")], now);
        assert_eq!((past.ends, past.exit_code), (2, 3));
        assert_eq!(look(&mut memory, &[failed(8), failed(7), failed(6), failed(5)], now).ends, 5);
        assert_eq!(look(&mut memory, &[failed(5), failed(4)], now).ends, 6);
        memory.excuse("web");
        assert_eq!(look(&mut memory, &[failed(4), failed(3)], now).ends, 1, "what other hands did is forgiven");
        assert_eq!(look(&mut memory, &[], now), Past::default(), "a service of the same name is another one");
    }

    #[test]
    fn what_swarm_asks_to_end_does_not_end_by_itself() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let moved = || model(1, RUNNING, RUNNING, "");
        assert_eq!(look(&mut memory, &[model(2, SHUTDOWN, RUNNING, ""), moved()], now).ends, 0);
        let back = model(2, SHUTDOWN, FAILED, "task: non-zero exit (137)");
        assert_eq!(look(&mut memory, &[back, moved()], now).ends, 0, "a node that was lost is back, and says so");
    }

    #[test]
    fn a_task_has_run_since_it_was_seen_to_and_one_of_before_for_ever() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let second = Duration::from_secs(1);
        let old = || model(9, RUNNING, RUNNING, "");
        assert_eq!(look(&mut memory, &[old()], start).ran(start), Duration::MAX);
        let ended = || model(9, SHUTDOWN, FAILED, "");
        let comes = model(1, RUNNING, bollard::models::TaskState::PREPARING, "");
        assert_eq!(look(&mut memory, &[ended(), comes], start + second).ran(start + second), Duration::ZERO);
        let runs = || model(1, RUNNING, RUNNING, "");
        assert_eq!(look(&mut memory, &[ended(), runs()], start + second * 60).ran(start + second * 60), Duration::ZERO);
        assert_eq!(look(&mut memory, &[ended(), runs()], start + second * 62).ran(start + second * 62), second * 2);
    }
}
