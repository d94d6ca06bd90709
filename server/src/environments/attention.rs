//! Who looks after an environment, and what can be said of it therefore.

use slipway_runner::coordinator::ReplicaReport;

use crate::{runners::Presence, store::runners::Runner};

/// Who knows how an environment's containers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Attention {
    /// Its runner, which is heard of.
    Heard,
    /// Nobody at present: what a silent runner told is of the past.
    #[default]
    Silent,
    /// Nobody any more, as captain.yml no longer names the environment: what runs there is left alone.
    Unattended,
}

impl Attention {
    /// Who knows it at `now` of an environment that was taken out of captain.yml at `removed_at`.
    pub(super) fn of(host: Option<&Runner>, removed_at: Option<i64>, now: i64) -> Self {
        let is_heard = |host| Presence::of(host, now).is_there();
        match host {
            _ if removed_at.is_some() => Attention::Unattended,
            Some(host) if is_heard(host) => Attention::Heard,
            _ => Attention::Silent,
        }
    }

    /// What is said of a container that was last told to be in this condition.
    pub(super) fn word(self, told: Option<&ReplicaReport>) -> &'static str {
        match (self, told) {
            (Attention::Heard, Some(told)) => told.condition.word(),
            (Attention::Heard | Attention::Silent, _) => "unknown",
            (Attention::Unattended, _) => "unattended",
        }
    }
}
