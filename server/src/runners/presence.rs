//! Whether a runner is there.

use crate::store::{runners::Runner, text::text_enum};

/// A runner that was not heard of for longer than a lease holds has lost its jobs, in milliseconds.
const SILENT_MS: i64 = 60_000;

text_enum! {
    /// Where a runner stands, as far as was heard of it.
    Presence {
        /// It was admitted and has not come yet.
        Expected = "expected",
        /// It takes jobs.
        Present = "present",
        /// It finishes what it has, and takes nothing new.
        Draining = "draining",
        /// It is there, and takes nothing new until somebody lets it: an administrator said so.
        Drained = "drained",
        /// It finished what it had, and went.
        Gone = "gone",
        /// It was not heard of for so long that its jobs are given to others.
        Silent = "silent",
    }
}

impl Presence {
    /// Where the runner stands at `now`, in unix milliseconds.
    #[must_use]
    pub fn of(runner: &Runner, now: i64) -> Self {
        // One that was heard of later than now was so before the clock was set back, and not since.
        let silent = (now - runner.last_seen_at).abs() > SILENT_MS;
        match (runner.draining_at, runner.last_seen_at) {
            (_, 0) => Presence::Expected,
            (Some(_), _) if silent => Presence::Gone,
            (Some(_), _) => Presence::Draining,
            (None, _) if silent => Presence::Silent,
            (None, _) if runner.drained_by.is_some() => Presence::Drained,
            (None, _) => Presence::Present,
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Presence::Expected => "It was admitted and has not come yet.",
            Presence::Present => "It takes jobs.",
            Presence::Draining => "It finishes what it has, and takes nothing new.",
            Presence::Drained => "It finishes what it has, and takes nothing new until somebody lets it.",
            Presence::Gone => "It finished what it had, and ended.",
            Presence::Silent => "It was not heard of for a minute; its jobs are given to others.",
        }
    }

    /// Whether it was heard of just now: it answers, and looks after what it hosts.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Presence::Present | Presence::Draining | Presence::Drained => true,
            Presence::Expected | Presence::Gone | Presence::Silent => false,
        }
    }

    /// Whether it is as it should be; none where it is neither good nor bad.
    #[must_use]
    pub fn is_good(self) -> Option<bool> {
        match self {
            Presence::Present => Some(true),
            Presence::Silent => Some(false),
            Presence::Expected | Presence::Draining | Presence::Drained | Presence::Gone => None,
        }
    }
}
