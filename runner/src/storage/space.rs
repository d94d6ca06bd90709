//! How much of the disk is free, and whether that is enough to begin anything.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// The disk that a runner's folder is on.
#[derive(Debug)]
pub(crate) struct Space {
    folder: PathBuf,
    least: u64,
    was_full: AtomicBool,
}

impl Space {
    pub(crate) fn new(folder: &Path, least: u64) -> Self {
        Space { folder: folder.to_owned(), least, was_full: AtomicBool::new(false) }
    }

    /// Why nothing may begin; none while there is room. A disk that cannot be asked has room: builds then say what is
    /// wrong with it.
    pub(crate) fn shortage(&self) -> Option<String> {
        let free = self.free()?;
        if free >= self.least {
            if self.was_full.swap(false, Ordering::Relaxed) {
                tracing::info!("the disk has room again: jobs are taken");
            }
            return None;
        }
        let reason = format!(
            "the runner's disk is nearly full: {} MiB are free, and {} MiB are needed",
            free >> 20,
            self.least >> 20
        );
        if !self.was_full.swap(true, Ordering::Relaxed) {
            tracing::error!(folder = %self.folder.display(), "{reason}; no job is taken until there is room");
        }
        Some(reason)
    }

    /// What an ordinary user may still write, in bytes.
    fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Space::new(folder.path(), 1).shortage(), None);
        let said = Space::new(folder.path(), u64::MAX).shortage().unwrap();
        assert!(said.starts_with("the runner's disk is nearly full: "), "{said}");
        assert_eq!(Space::new(&folder.path().join("missing"), u64::MAX).shortage(), None);
    }
}
