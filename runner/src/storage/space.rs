//! How much of a disk is free, and whether that is enough to begin anything.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// The disk that a folder is on.
#[derive(Debug)]
pub struct Space {
    disk: &'static str,
    folder: PathBuf,
    least: u64,
    was_full: AtomicBool,
}

impl Space {
    /// The disk that people know by this name, such as "the runner's disk", with a folder on it, and how many bytes must
    /// be free there.
    #[must_use]
    pub fn new(disk: &'static str, folder: &Path, least: u64) -> Self {
        Space { disk, folder: folder.to_owned(), least, was_full: AtomicBool::new(false) }
    }

    /// Why nothing may begin; none while there is room. A disk that cannot be asked has room: whoever uses it says what
    /// is wrong with it.
    pub fn shortage(&self) -> Option<String> {
        let free = self.free()?;
        if free >= self.least {
            if self.was_full.swap(false, Ordering::Relaxed) {
                tracing::info!("{} has room again", self.disk);
            }
            return None;
        }
        let reason = format!(
            "{} is nearly full: {} MiB are free, and {} MiB are needed",
            self.disk,
            free >> 20,
            self.least >> 20
        );
        if !self.was_full.swap(true, Ordering::Relaxed) {
            tracing::error!(folder = %self.folder.display(), "{reason}; nothing new is taken until there is room");
        }
        Some(reason)
    }

    fn free(&self) -> Option<u64> {
        free(&self.folder)
    }
}

/// What an ordinary user may still write where a folder is, in bytes; none where that cannot be told.
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// With less than this nothing more can be written, in bytes: file systems keep some for themselves.
const NO_ROOM: u64 = 1_024 * 1_024;

/// Whether the disk that a folder is on is full.
pub(crate) fn is_full(folder: &Path) -> bool {
    free(folder).is_some_and(|free| free < NO_ROOM)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let space = |folder, least| Space::new("the runner's disk", folder, least);
        assert_eq!(space(folder.path(), 1).shortage(), None);
        let said = space(folder.path(), u64::MAX).shortage().unwrap();
        assert!(said.starts_with("the runner's disk is nearly full: "), "{said}");
        assert_eq!(space(&folder.path().join("missing"), u64::MAX).shortage(), None);
    }
}
