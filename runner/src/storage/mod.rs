//! What a runner keeps between builds, and what of it goes: mirrors and cache volumes of repositories that were not built
//! for long, images that builds have made, images of releases that nobody holds. Only what is known to be this runner's is ever looked at, and what a
//! job uses or a release holds stays, also when the disk is nearly full.

mod built;
mod choice;
mod collect;
mod kind;
mod records;
mod space;
mod watch;

use std::time::Duration;

pub(crate) use built::BuiltImages;
use choice::Bounds;
pub(crate) use choice::{Item, going};
pub(crate) use collect::Collector;
pub(crate) use kind::Kind;
pub(crate) use records::{InUse, Records};
pub use space::Space;
pub(crate) use space::is_full;
pub use watch::ClockWatch;

/// How long, and how much, a runner keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageLimits {
    /// How long a repository's mirror is kept after its last build here.
    pub mirrors_unused: Duration,
    /// How many bytes all mirrors may have together.
    pub mirrors_bytes: u64,
    /// How long the cache volumes of a repository are kept after its last build here.
    pub caches_unused: Duration,
    /// How many bytes all cache volumes may have together; with [`u64::MAX`] they are not measured.
    pub caches_bytes: u64,
    /// How many bytes the engine's build cache may have, which all share that build on the engine; none where that is not this
    /// runner's to bound.
    pub build_cache_bytes: Option<u64>,
    /// How long an image that was fetched for a release is kept after the last rollout of it, unless a release holds it.
    pub images_unused: Duration,
    /// How many images of one app are kept that builds have made here, unless a release or a container holds them.
    pub built_images: u32,
    /// How long such an image is kept after its build.
    pub built_unused: Duration,
    /// Of how many failed builds the workspace and the images are kept, for another attempt that goes on from there.
    pub failed_builds: u32,
    /// How long that is kept.
    pub failed_unused: Duration,
    /// How many bytes all of those workspaces may have together.
    pub failed_bytes: u64,
    /// How often the disk is looked at. Every sixtieth time, and the first, all that is too old goes.
    pub look: Duration,
    /// With less than this free on the disk, all that is not in use goes at once, and no job is taken until there is more.
    pub free_bytes: u64,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const GIB: u64 = 1_024 * 1_024 * 1_024;

impl Default for StorageLimits {
    fn default() -> Self {
        StorageLimits {
            mirrors_unused: DAY * 30,
            mirrors_bytes: 50 * GIB,
            caches_unused: DAY * 30,
            caches_bytes: 50 * GIB,
            build_cache_bytes: None,
            images_unused: DAY * 14,
            built_images: 10,
            built_unused: DAY * 14,
            failed_builds: 3,
            failed_unused: Duration::from_secs(60 * 60),
            failed_bytes: 10 * GIB,
            look: Duration::from_secs(60),
            free_bytes: GIB,
        }
    }
}

impl StorageLimits {
    /// What of a kind is kept.
    pub(crate) fn bounds(&self, kind: Kind) -> Bounds {
        let all = Bounds { unused: Duration::MAX, bytes: u64::MAX, count: usize::MAX };
        match kind {
            Kind::FailedBuild => Bounds {
                unused: self.failed_unused,
                bytes: self.failed_bytes,
                count: usize::try_from(self.failed_builds).unwrap_or(usize::MAX),
            },
            Kind::Mirror => Bounds { unused: self.mirrors_unused, bytes: self.mirrors_bytes, ..all },
            Kind::Built => Bounds {
                unused: self.built_unused,
                count: usize::try_from(self.built_images).unwrap_or(usize::MAX),
                ..all
            },
            Kind::Image => Bounds { unused: self.images_unused, ..all },
            Kind::Cache => Bounds { unused: self.caches_unused, bytes: self.caches_bytes, ..all },
        }
    }
}
