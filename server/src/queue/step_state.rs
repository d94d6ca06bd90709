//! The states of a step, and the only changes between them.

use crate::{
    store::text::text_enum,
    transitions::{self, Table, events},
};

text_enum! {
    /// Where a step stands.
    StepState {
        /// Not begun.
        Pending = "pending",
        /// Under way.
        Running = "running",
        /// It did what it should.
        Succeeded = "succeeded",
        /// It did not.
        Failed = "failed",
        /// It was not run.
        Skipped = "skipped",
        /// It was stopped on request.
        Cancelled = "cancelled",
        /// Its runner was lost; the job's next attempt runs it again.
        Lost = "lost",
    }
}

events! {
    /// What happens to a step.
    StepEvent {
        /// It begins.
        Start = "be started",
        /// It worked.
        Succeed = "succeed",
        /// It did not.
        Fail = "fail",
        /// It will not be run.
        Skip = "be skipped",
        /// It was stopped.
        Cancel = "be cancelled",
        /// Its runner was lost.
        Lose = "be lost",
    }
}

const TABLE: &Table<StepState, StepEvent> = &[
    (StepState::Pending, StepEvent::Start, StepState::Running),
    (StepState::Pending, StepEvent::Fail, StepState::Failed),
    (StepState::Pending, StepEvent::Skip, StepState::Skipped),
    (StepState::Pending, StepEvent::Cancel, StepState::Cancelled),
    (StepState::Pending, StepEvent::Lose, StepState::Lost),
    (StepState::Running, StepEvent::Succeed, StepState::Succeeded),
    (StepState::Running, StepEvent::Fail, StepState::Failed),
    (StepState::Running, StepEvent::Skip, StepState::Skipped),
    (StepState::Running, StepEvent::Cancel, StepState::Cancelled),
    (StepState::Running, StepEvent::Lose, StepState::Lost),
];

/// Where the event leads from the state; none where that is not allowed.
#[must_use]
pub fn next(state: StepState, event: StepEvent) -> Option<StepState> {
    transitions::next(TABLE, state, event)
}

impl StepState {
    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, StepState::Pending | StepState::Running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_final_state_and_every_state_is_reached() {
        transitions::check(TABLE, StepState::ALL, StepEvent::ALL, StepState::Pending, StepState::is_final);
    }
}
