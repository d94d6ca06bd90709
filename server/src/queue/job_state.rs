//! The states of a job, and the only changes between them.

use crate::{
    store::text::text_enum,
    transitions::{self, Table, events},
};

text_enum! {
    /// What a job does.
    JobKind {
        /// Builds one commit.
        Build = "build",
        /// Brings one environment to one release.
        Rollout = "rollout",
    }
}

text_enum! {
    /// Where a job stands.
    JobState {
        /// Waiting for a runner.
        Queued = "queued",
        /// A runner holds it.
        Leased = "leased",
        /// It waits for a person, and no runner may have it before.
        Held = "held",
        /// It did what it should.
        Succeeded = "succeeded",
        /// It did not.
        Failed = "failed",
        /// It was stopped on request, or is not wanted any more.
        Cancelled = "cancelled",
    }
}

events! {
    /// What happens to a job.
    JobEvent {
        /// A runner took it.
        Lease = "be leased",
        /// What comes next of it is to be approved.
        Hold = "be held",
        /// A person approved it.
        Admit = "be admitted",
        /// Its runner was lost: it waits for another.
        Lose = "be given back",
        /// Somebody wants another attempt.
        Retry = "be tried again",
        /// It worked.
        Succeed = "succeed",
        /// It did not.
        Fail = "fail",
        /// It was stopped.
        Cancel = "be cancelled",
    }
}

const TABLE: &Table<JobState, JobEvent> = &[
    (JobState::Queued, JobEvent::Lease, JobState::Leased),
    (JobState::Queued, JobEvent::Cancel, JobState::Cancelled),
    (JobState::Leased, JobEvent::Lose, JobState::Queued),
    (JobState::Leased, JobEvent::Hold, JobState::Held),
    (JobState::Held, JobEvent::Admit, JobState::Queued),
    (JobState::Held, JobEvent::Cancel, JobState::Cancelled),
    (JobState::Leased, JobEvent::Succeed, JobState::Succeeded),
    (JobState::Leased, JobEvent::Fail, JobState::Failed),
    (JobState::Leased, JobEvent::Cancel, JobState::Cancelled),
    (JobState::Failed, JobEvent::Retry, JobState::Queued),
];

/// Where the event leads from the state; none where that is not allowed.
#[must_use]
pub fn next(state: JobState, event: JobEvent) -> Option<JobState> {
    transitions::next(TABLE, state, event)
}

impl JobState {
    /// Whether nothing more will happen to it by itself: one that failed may still be tried again.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, JobState::Succeeded | JobState::Failed | JobState::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_final_state_and_every_state_is_reached() {
        transitions::check(TABLE, JobState::ALL, JobEvent::ALL, JobState::Queued, |state| {
            state.is_final() && state != JobState::Failed
        });
    }
}
