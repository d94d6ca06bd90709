//! The states of a build, and the only changes between them.

use crate::{
    store::text::text_enum,
    transitions::{self, Table, events},
};

text_enum! {
    /// Where a build stands.
    BuildState {
        /// Waiting for a runner.
        Queued = "queued",
        /// A runner works on it.
        Running = "running",
        /// A runner has looked at it, and nothing of it runs before a person approves it.
        Awaiting = "awaiting",
        /// Everything was built, tested and pushed.
        Succeeded = "succeeded",
        /// A step failed, or it was given up.
        Failed = "failed",
        /// It was stopped on request.
        Cancelled = "cancelled",
    }
}

events! {
    /// What happens to a build.
    BuildEvent {
        /// A runner took it.
        Start = "be started",
        /// What would run of it is known, and is to be approved.
        Await = "wait for its approval",
        /// A person approved it: it waits for a runner.
        Approve = "be approved",
        /// The runner was lost: it waits for another.
        Requeue = "be queued again",
        /// Somebody wants another attempt.
        Retry = "be tried again",
        /// Everything worked.
        Succeed = "succeed",
        /// Something did not.
        Fail = "fail",
        /// It was stopped.
        Cancel = "be cancelled",
    }
}

const TABLE: &Table<BuildState, BuildEvent> = &[
    (BuildState::Queued, BuildEvent::Start, BuildState::Running),
    (BuildState::Queued, BuildEvent::Cancel, BuildState::Cancelled),
    (BuildState::Running, BuildEvent::Requeue, BuildState::Queued),
    (BuildState::Running, BuildEvent::Await, BuildState::Awaiting),
    (BuildState::Awaiting, BuildEvent::Approve, BuildState::Queued),
    (BuildState::Awaiting, BuildEvent::Cancel, BuildState::Cancelled),
    (BuildState::Running, BuildEvent::Succeed, BuildState::Succeeded),
    (BuildState::Running, BuildEvent::Fail, BuildState::Failed),
    (BuildState::Running, BuildEvent::Cancel, BuildState::Cancelled),
    (BuildState::Failed, BuildEvent::Retry, BuildState::Queued),
];

/// Where the event leads from the state; none where that is not allowed.
#[must_use]
pub fn next(state: BuildState, event: BuildEvent) -> Option<BuildState> {
    transitions::next(TABLE, state, event)
}

impl BuildState {
    /// Whether nothing more will happen to it by itself: one that failed may still be tried again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, BuildState::Succeeded | BuildState::Failed | BuildState::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_final_state_and_every_state_is_reached() {
        transitions::check(TABLE, BuildState::ALL, BuildEvent::ALL, BuildState::Queued, |state| {
            state.is_final() && state != BuildState::Failed
        });
    }
}
