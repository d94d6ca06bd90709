//! The kinds of things that a runner keeps, and the ways to go through them.

use std::time::Duration;

use super::choice::Bounds;

/// One kind of what a runner keeps between jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What a failed build left for another attempt.
    FailedBuild,
    /// The bare mirror of a repository.
    Mirror,
    /// An image that a build has made and pushed.
    Built,
    /// An image that was fetched for a release.
    Image,
    /// A cache volume of a repository.
    Cache,
}

impl Kind {
    /// Every kind, in the order in which they go on a full disk.
    pub(super) const ALL: &[Kind] = &[Kind::FailedBuild, Kind::Built, Kind::Mirror, Kind::Image, Kind::Cache];

    /// What people call one of them.
    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::FailedBuild => "workspace of a failed build",
            Kind::Built => "image of a build",
            Kind::Mirror => "mirror",
            Kind::Image => "image of a release",
            Kind::Cache => "cache volume",
        }
    }
}

/// How far a round goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// What is too old or too much goes.
    Due,
    /// The disk is nearly full: whatever is not in use goes, until there is room.
    Pressing,
    /// Nothing goes: it is only seen what is due.
    DryRun,
}

impl How {
    /// How long the engine may measure what things take on its disk: a person waits for no longer than this.
    pub(super) fn patience(self) -> Duration {
        match self {
            How::Due | How::Pressing => Duration::from_secs(60),
            How::DryRun => Duration::from_secs(10),
        }
    }

    /// What is kept where the limits keep `usual`.
    pub(super) fn bounds(self, usual: Bounds) -> Bounds {
        match self {
            How::Due | How::DryRun => usual,
            How::Pressing => Bounds { unused: Duration::ZERO, bytes: 0, count: 0 },
        }
    }
}
