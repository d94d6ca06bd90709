//! How much room a tree takes on its disk.

use std::{collections::HashSet, os::fd::OwnedFd};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use tokio_util::sync::CancellationToken;

use super::{Links, Workspace, WorkspaceError};

/// How many folders deep a tree is measured.
const DEPTH_LIMIT: usize = 256;
/// What a name takes at least, in bytes: that a file is empty does not make it free.
const LEAST: u64 = 4096;
/// How many files with several names are told apart; beyond that, each of their names counts.
const TOLD_APART: usize = 1_000_000;

impl Workspace {
    /// What the tree takes on its disk, in bytes; a file with several names counts once. Counting ends once there is more than
    /// `enough`, or when it is to `stop`. Folders are opened from their parents and never through a link, as commands change the
    /// tree meanwhile; what another user of the engine has closed to the runner counts by its name alone.
    ///
    /// # Errors
    /// When the disk cannot be read, or a folder is too deep within others.
    pub(crate) fn weight(&self, enough: u64, stop: &CancellationToken) -> Result<u64, WorkspaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Some(root) = self.open_beneath(".", Links::Refused, flags)? else { return Ok(0) };
        let io = |cause: String| WorkspaceError::Io { path: ".".to_owned(), cause };
        let mut scale = Scale::default();
        let mut levels = vec![Dir::new(root).map_err(|error| io(error.to_string()))?];
        while let Some(level) = levels.last_mut() {
            if scale.bytes > enough || stop.is_cancelled() {
                break;
            }
            match scale.next(level) {
                Ok(Next::Counted) => {}
                Ok(Next::Done) => drop(levels.pop()),
                Ok(Next::Folder(_)) if levels.len() == DEPTH_LIMIT => {
                    return Err(WorkspaceError::TooDeep { limit: DEPTH_LIMIT });
                }
                Ok(Next::Folder(folder)) => levels.push(Dir::new(folder).map_err(|error| io(error.to_string()))?),
                Err(error) => return Err(io(error.to_string())),
            }
        }
        Ok(scale.bytes)
    }
}

#[derive(Default)]
struct Scale {
    bytes: u64,
    /// Files with several names, by device and inode.
    seen: HashSet<(u64, u64)>,
}

enum Next {
    Counted,
    Folder(OwnedFd),
    Done,
}

impl Scale {
    /// Counts the next name of a folder.
    fn next(&mut self, level: &mut Dir) -> Result<Next, Errno> {
        let Some(entry) = level.read() else { return Ok(Next::Done) };
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            return Ok(Next::Counted);
        }
        let above = level.fd()?;
        let stat = match rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(error) => return gone(error),
        };
        self.count(&stat);
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return Ok(Next::Counted);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(above, name, flags, Mode::empty()) {
            Ok(folder) => Ok(Next::Folder(folder)),
            Err(error) => gone(error),
        }
    }

    fn count(&mut self, stat: &Stat) {
        let is_known =
            stat.st_nlink > 1 && self.seen.len() < TOLD_APART && !self.seen.insert((stat.st_dev, stat.st_ino));
        // Blocks are of 512 bytes, whatever the file system's own are: stat(2).
        let blocks = if is_known { 0 } else { u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512) };
        self.bytes = self.bytes.saturating_add(blocks.max(LEAST));
    }
}

/// What was removed, or became something else, since its folder was read takes no room; what is closed is left alone.
fn gone(error: Errno) -> Result<Next, Errno> {
    match error {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::PERM => Ok(Next::Counted),
        error => Err(error),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn weight(workspace: &Workspace, enough: u64) -> u64 {
        workspace.weight(enough, &CancellationToken::new()).unwrap()
    }

    fn tree() -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path().to_owned()).unwrap();
        (folder, workspace)
    }

    #[test]
    fn files_count_once_and_links_lead_nowhere() {
        let (folder, workspace) = tree();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("large"), vec![1; 8 * MIB]).unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), vec![1; 2 * MIB]).unwrap();
        fs::hard_link(folder.path().join("a/b/file"), folder.path().join("a/again")).unwrap();
        symlink(elsewhere.path(), folder.path().join("away")).unwrap();
        let bytes = weight(&workspace, u64::MAX);
        assert!((2 * MIB as u64..3 * MIB as u64).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_is_said_to_be_large_and_is_not_written_takes_no_room() {
        let (folder, workspace) = tree();
        fs::File::create(folder.path().join("hole")).unwrap().set_len(1 << 40).unwrap();
        assert!(weight(&workspace, u64::MAX) < MIB as u64);
    }

    #[test]
    fn many_empty_files_are_not_free_and_enough_is_enough() {
        let (folder, workspace) = tree();
        for number in 0..500 {
            fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        assert!(weight(&workspace, u64::MAX) >= 500 * LEAST);
        assert!(weight(&workspace, 10 * LEAST) <= 12 * LEAST);
        let stopped = CancellationToken::new();
        stopped.cancel();
        assert_eq!(workspace.weight(u64::MAX, &stopped).unwrap(), 0);
    }

    #[test]
    fn what_is_too_deep_to_be_measured_is_said() {
        let (folder, workspace) = tree();
        fs::create_dir_all(folder.path().join("d/".repeat(DEPTH_LIMIT + 1))).unwrap();
        let refused = workspace.weight(u64::MAX, &CancellationToken::new()).unwrap_err();
        assert_eq!(refused, WorkspaceError::TooDeep { limit: DEPTH_LIMIT });
    }
}
