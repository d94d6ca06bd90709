//! What the transition tables of builds, jobs, steps and releases have in common.

/// A table of (from, event, to): the only changes of state that there are.
pub(crate) type Table<State, Event> = [(State, Event, State)];

/// Where the event leads from the state; none where the table does not allow it.
pub(crate) fn next<State: Copy + PartialEq, Event: Copy + PartialEq>(
    table: &Table<State, Event>,
    state: State,
    event: Event,
) -> Option<State> {
    table.iter().find(|(from, by, _)| *from == state && *by == event).map(|(_, _, to)| *to)
}

/// Defines the events of a table, with the verb that an error names them by.
macro_rules! events {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $verb:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            /// Every event.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// What it does, as in “it cannot …”.
            #[must_use]
            pub fn verb(self) -> &'static str {
                match self { $($name::$variant => $verb),+ }
            }
        }
    };
}
pub(crate) use events;

/// Checks a table: no pair of state and event stands in it twice, nothing leaves a final state, every other state has
/// a way out, every state can be reached from the first, and every event is used.
#[cfg(test)]
pub(crate) fn check<State, Event>(
    table: &Table<State, Event>,
    states: &[State],
    events: &[Event],
    first: State,
    is_final: impl Fn(State) -> bool,
) where
    State: Copy + PartialEq + std::fmt::Debug,
    Event: Copy + PartialEq + std::fmt::Debug,
{
    for (index, (from, event, to)) in table.iter().enumerate() {
        assert!(!is_final(*from), "{from:?} is final, yet {event:?} leaves it");
        assert_ne!(from, to, "{event:?} changes nothing");
        assert!(
            table[..index].iter().all(|(state, by, _)| (state, by) != (from, event)),
            "{from:?} {event:?} is there twice"
        );
    }
    let mut reached = vec![first];
    let mut looked = 0;
    while let Some(state) = reached.get(looked).copied() {
        looked += 1;
        for event in events {
            if let Some(to) = next(table, state, *event)
                && !reached.contains(&to)
            {
                reached.push(to);
            }
        }
    }
    for state in states {
        assert!(reached.contains(state), "{state:?} is never reached");
        let leaves = events.iter().any(|event| next(table, *state, *event).is_some());
        assert_eq!(leaves, !is_final(*state), "{state:?}: whether it is final and whether anything leaves it");
    }
    for event in events {
        assert!(table.iter().any(|(_, by, _)| by == event), "{event:?} is never used");
    }
}
