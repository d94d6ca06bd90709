//! What somebody may want to be told of.

use crate::store::text::text_enum;

text_enum! {
    /// What somebody may want to be told of.
    Occasion {
        /// A build failed.
        BuildFailed = "build-failed",
        /// A build succeeded.
        BuildSucceeded = "build-succeeded",
        /// A release waits, for people or for its time.
        ReleaseHeld = "release-held",
        /// A release is live.
        ReleaseLive = "release-live",
        /// A release failed; what was live before still is.
        ReleaseFailed = "release-failed",
        /// What is live was found wanting while it baked.
        ReleaseBreached = "release-breached",
        /// An app of what is live does not stay well.
        AppUnwell = "app-unwell",
        /// An app of what is live was not as it should be, and is well again.
        AppWell = "app-well",
        /// A runner was not heard of for so long that its jobs are given to others.
        RunnerSilent = "runner-silent",
        /// A runner that was silent is heard of again.
        RunnerHeard = "runner-heard",
        /// The disk of a runner's host is nearly full.
        DiskFull = "disk-full",
        /// There is room on it again.
        DiskFree = "disk-free",
    }
}

impl Occasion {
    /// What a channel is told of unless its rule says otherwise.
    pub const TROUBLE: &'static [Occasion] = &[
        Occasion::BuildFailed,
        Occasion::ReleaseFailed,
        Occasion::ReleaseBreached,
        Occasion::AppUnwell,
        Occasion::RunnerSilent,
        Occasion::DiskFull,
    ];

    /// What an event of this kind is an occasion for.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "build.failed" => Some(Occasion::BuildFailed),
            "build.succeeded" => Some(Occasion::BuildSucceeded),
            "release.held" => Some(Occasion::ReleaseHeld),
            "release.live" => Some(Occasion::ReleaseLive),
            "release.failed" => Some(Occasion::ReleaseFailed),
            "release.breached" => Some(Occasion::ReleaseBreached),
            "environment.unwell" => Some(Occasion::AppUnwell),
            "environment.healed" => Some(Occasion::AppWell),
            "runner.silent" => Some(Occasion::RunnerSilent),
            "runner.heard" => Some(Occasion::RunnerHeard),
            "runner.disk_full" => Some(Occasion::DiskFull),
            "runner.disk_free" => Some(Occasion::DiskFree),
            _ => None,
        }
    }

    /// Whether it begins or goes on with trouble.
    #[must_use]
    pub fn is_trouble(self) -> bool {
        Self::TROUBLE.contains(&self)
    }

    /// Some of them, in words.
    #[must_use]
    pub fn names(some: &[Self]) -> String {
        some.iter().map(|occasion| occasion.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Whether it may be the end of trouble.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(
            self,
            Occasion::BuildSucceeded
                | Occasion::ReleaseLive
                | Occasion::AppWell
                | Occasion::RunnerHeard
                | Occasion::DiskFree
        )
    }
}
