//! The states of a release, and the only changes between them.

use crate::{
    store::text::text_enum,
    transitions::{self, Table, events},
};

text_enum! {
    /// Where a release stands.
    ReleaseState {
        /// Waiting for people, for its time, or for the end of a freeze; it has no job yet.
        Held = "held",
        /// Waiting for its rollout.
        Queued = "queued",
        /// Being rolled out.
        Rolling = "rolling",
        /// What the environment runs.
        Live = "live",
        /// It was live until another took its place.
        Retired = "retired",
        /// Its rollout failed; what was live before still is.
        Failed = "failed",
        /// A newer release took its place before its rollout began.
        Superseded = "superseded",
        /// A person did not want it, or it may not enter the environment at all.
        Rejected = "rejected",
    }
}

text_enum! {
    /// What made a release.
    ReleaseKind {
        /// A successful build of the environment's branch.
        Build = "build",
        /// What is live elsewhere was promoted.
        Promotion = "promotion",
        /// A person went back to an earlier release.
        Rollback = "rollback",
        /// A person had what is live made anew.
        Restore = "restore",
    }
}

impl ReleaseKind {
    /// Whether it brings only what was live there before, and therefore waits for nothing.
    #[must_use]
    pub fn is_way_out(self) -> bool {
        matches!(self, ReleaseKind::Rollback | ReleaseKind::Restore)
    }
}

events! {
    /// What happens to a release.
    ReleaseEvent {
        /// Nothing stands against it any more.
        Admit = "be admitted",
        /// Something stood against it before its rollout began.
        Hold = "be held",
        /// It will not be rolled out.
        Reject = "be rejected",
        /// Its rollout begins.
        Roll = "be rolled out",
        /// The runner was lost: the rollout begins again.
        Requeue = "be queued again",
        /// It is healthy and has the traffic.
        GoLive = "go live",
        /// Its rollout failed, or was ended while it waited for another runner.
        Fail = "fail",
        /// Another has taken its place.
        Retire = "be retired",
        /// A newer one is wanted instead.
        Supersede = "be superseded",
    }
}

const TABLE: &Table<ReleaseState, ReleaseEvent> = &[
    (ReleaseState::Held, ReleaseEvent::Admit, ReleaseState::Queued),
    (ReleaseState::Held, ReleaseEvent::Reject, ReleaseState::Rejected),
    (ReleaseState::Held, ReleaseEvent::Supersede, ReleaseState::Superseded),
    (ReleaseState::Queued, ReleaseEvent::Hold, ReleaseState::Held),
    (ReleaseState::Queued, ReleaseEvent::Roll, ReleaseState::Rolling),
    (ReleaseState::Queued, ReleaseEvent::Reject, ReleaseState::Rejected),
    (ReleaseState::Queued, ReleaseEvent::Fail, ReleaseState::Failed),
    (ReleaseState::Queued, ReleaseEvent::Supersede, ReleaseState::Superseded),
    (ReleaseState::Rolling, ReleaseEvent::Requeue, ReleaseState::Queued),
    (ReleaseState::Rolling, ReleaseEvent::GoLive, ReleaseState::Live),
    (ReleaseState::Rolling, ReleaseEvent::Fail, ReleaseState::Failed),
    (ReleaseState::Live, ReleaseEvent::Retire, ReleaseState::Retired),
];

/// Where the event leads from the state; none where that is not allowed.
#[must_use]
pub fn next(state: ReleaseState, event: ReleaseEvent) -> Option<ReleaseState> {
    transitions::next(TABLE, state, event)
}

impl ReleaseState {
    /// Whether nothing more will happen to it by itself: a live release may still be retired.
    #[must_use]
    pub fn is_settled(self) -> bool {
        !matches!(self, ReleaseState::Held | ReleaseState::Queued | ReleaseState::Rolling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_final_state_and_every_state_is_reached() {
        transitions::check(TABLE, ReleaseState::ALL, ReleaseEvent::ALL, ReleaseState::Held, |state| {
            state.is_settled() && state != ReleaseState::Live
        });
    }
}
