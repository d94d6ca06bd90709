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
    }
}

impl Occasion {
    /// What a channel is told of unless its rule says otherwise.
    pub const TROUBLE: &'static [Occasion] = &[Occasion::BuildFailed, Occasion::ReleaseFailed];

    /// What an event of this kind is an occasion for.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        match kind {
            "build.failed" => Some(Occasion::BuildFailed),
            "build.succeeded" => Some(Occasion::BuildSucceeded),
            "release.held" => Some(Occasion::ReleaseHeld),
            "release.live" => Some(Occasion::ReleaseLive),
            "release.failed" => Some(Occasion::ReleaseFailed),
            _ => None,
        }
    }

    /// Whether it begins or goes on with trouble.
    #[must_use]
    pub fn is_trouble(self) -> bool {
        Self::TROUBLE.contains(&self)
    }

    /// Whether it is about a release, and not about a build.
    #[must_use]
    pub fn is_of_release(self) -> bool {
        matches!(self, Occasion::ReleaseHeld | Occasion::ReleaseLive | Occasion::ReleaseFailed)
    }
}
