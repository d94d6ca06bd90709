//! A checked-out tree on disk that belongs to a stranger: nothing in it may lead out of it.
//!
//! Commands of the build write into the tree while others read from it, so a path is not checked first and opened
//! later: the kernel resolves it beneath the root in one call (openat2(2), `RESOLVE_BENEATH`).

mod walk;
mod weight;

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};
pub(crate) use walk::{Entry, EntryKind, Walker};

/// Why something in a workspace could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WorkspaceError {
    /// The path leads out of the checkout, by `..`, by an absolute path or by a symbolic link.
    #[error("`{path}` leads out of the checkout: paths and symbolic links must stay within the repository")]
    Outside {
        /// The path as it was asked for.
        path: String,
    },
    /// The file is larger than anyone would write by hand.
    #[error("`{path}` is larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The path names something that is not an ordinary file.
    #[error("`{path}` is not an ordinary file")]
    NotAFile {
        /// The path.
        path: String,
    },
    /// Nobody could measure what lies so deep.
    #[error("stopped: the checkout has folders more than {limit} deep, and what is in them could not be measured")]
    TooDeep {
        /// How deep folders may be.
        limit: usize,
    },
    /// The file system failed.
    #[error("cannot read `{path}` in the checkout: {cause}")]
    Io {
        /// The path.
        path: String,
        /// What the system said.
        cause: String,
    },
}

/// How symbolic links within the checkout are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// They are followed as long as they stay within.
    Within,
    /// No part of the path may be one.
    Refused,
}

/// The root of a checkout, held open.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    path: PathBuf,
    root: Arc<OwnedFd>,
}

impl Workspace {
    /// Opens a checkout's root.
    pub(crate) fn open(path: PathBuf) -> Result<Self, WorkspaceError> {
        let root = rustix::fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| WorkspaceError::Io { path: path.display().to_string(), cause: error.to_string() })?;
        Ok(Workspace { path, root: Arc::new(root) })
    }

    /// Makes an empty folder for a checkout, and opens it.
    pub(crate) fn make(path: PathBuf) -> Result<Self, WorkspaceError> {
        if let Err(error) = std::fs::create_dir_all(&path) {
            return Err(WorkspaceError::Io { path: path.display().to_string(), cause: error.to_string() });
        }
        Self::open(path)
    }

    /// Moves everything that lies in a folder beside it into it, and removes that folder. Through no link, and over
    /// nothing that is a folder already.
    pub(crate) fn take_in(&self, folder: &Path) -> Result<(), WorkspaceError> {
        let moved = || -> std::io::Result<()> {
            let from = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            for entry in std::fs::read_dir(folder)? {
                let name = entry?.file_name();
                rustix::fs::renameat(&from, &name, self.root(), &name)?;
            }
            std::fs::remove_dir(folder)
        };
        moved().map_err(|error| WorkspaceError::Io { path: folder.display().to_string(), cause: error.to_string() })
    }

    /// Where it is on the host.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads an ordinary file; none when there is nothing under the path.
    pub(crate) fn read(&self, path: &str, links: Links, limit: u64) -> Result<Option<Vec<u8>>, WorkspaceError> {
        // Without NONBLOCK, opening a named pipe that a command left behind would wait for ever.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let Some(file) = self.open_beneath(path, links, flags)? else { return Ok(None) };
        let file = File::from(file);
        let io = |error: std::io::Error| WorkspaceError::Io { path: path.to_owned(), cause: error.to_string() };
        if !file.metadata().map_err(io)?.is_file() {
            return Err(WorkspaceError::NotAFile { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
        if bytes.len() as u64 > limit {
            return Err(WorkspaceError::TooLarge { path: path.to_owned(), limit });
        }
        Ok(Some(bytes))
    }

    /// Empties an ordinary file, and opens it to be written anew; none when there is nothing under the path.
    pub(crate) fn rewrite(&self, path: &str) -> Result<Option<File>, WorkspaceError> {
        let Some(file) = self.open_beneath(path, Links::Refused, OFlags::WRONLY | OFlags::NONBLOCK)? else {
            return Ok(None);
        };
        let file = File::from(file);
        let io = |error: std::io::Error| WorkspaceError::Io { path: path.to_owned(), cause: error.to_string() };
        if !file.metadata().map_err(io)?.is_file() {
            return Err(WorkspaceError::NotAFile { path: path.to_owned() });
        }
        file.set_len(0).map_err(io)?;
        Ok(Some(file))
    }

    /// Opens a folder to walk through; none when there is no folder under the path.
    pub(crate) fn walker(&self, path: &str) -> Result<Option<Walker>, WorkspaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Ok(self.open_beneath(path, Links::Within, flags)?.map(Walker::new))
    }

    /// The host's path of something that an engine shall mount; none when there is nothing under the path.
    ///
    /// The engine follows links on its own, so the path may not hold any.
    pub(crate) fn mountable(&self, path: &str) -> Result<Option<PathBuf>, WorkspaceError> {
        let found = self.open_beneath(path, Links::Refused, OFlags::PATH)?;
        Ok(found.map(|_| if path == "." { self.path.clone() } else { self.path.join(path) }))
    }

    /// Makes the folders of a path that are not there yet; what is there already stays as it is, whatever it is.
    pub(crate) fn make_folders(&self, path: &str) -> Result<(), WorkspaceError> {
        let io = |error: Errno| WorkspaceError::Io { path: path.to_owned(), cause: error.to_string() };
        let (mut above, mut whole) = (String::from("."), String::new());
        for name in path.split('/').filter(|name| !matches!(*name, "" | ".")) {
            if !whole.is_empty() {
                whole.push('/');
            }
            whole.push_str(name);
            if self.open_beneath(&whole, Links::Refused, OFlags::PATH)?.is_none() {
                let flags = OFlags::PATH | OFlags::DIRECTORY;
                let Some(parent) = self.open_beneath(&above, Links::Refused, flags)? else { return Ok(()) };
                match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(io(error)),
                }
            }
            above.clone_from(&whole);
        }
        Ok(())
    }

    fn open_beneath(&self, path: &str, links: Links, flags: OFlags) -> Result<Option<OwnedFd>, WorkspaceError> {
        let resolve = match links {
            Links::Within => ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
            Links::Refused => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        };
        let flags = flags | OFlags::CLOEXEC;
        let path_text = if path.is_empty() { "." } else { path };
        match rustix::fs::openat2(self.root(), path_text, flags, Mode::empty(), resolve) {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::XDEV | Errno::LOOP) => Err(WorkspaceError::Outside { path: path.to_owned() }),
            Err(error) => Err(WorkspaceError::Io { path: path.to_owned(), cause: error.to_string() }),
        }
    }

    fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::os::unix::fs::symlink;

    use super::*;

    fn checkout() -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "of the host").unwrap();
        let root = folder.path().join("checkout");
        std::fs::create_dir_all(root.join("app")).unwrap();
        std::fs::write(root.join("app/Dockerfile"), "FROM scratch\n").unwrap();
        symlink("../../secret", root.join("app/relative")).unwrap();
        symlink(folder.path().join("secret"), root.join("app/absolute")).unwrap();
        symlink("app", root.join("alias")).unwrap();
        symlink("..", root.join("up")).unwrap();
        let workspace = Workspace::open(root).unwrap();
        (folder, workspace)
    }

    #[test]
    fn files_are_read_by_links_that_stay_within() {
        let (_folder, workspace) = checkout();
        for path in ["app/Dockerfile", "alias/Dockerfile", "./app/../app/Dockerfile"] {
            assert_eq!(workspace.read(path, Links::Within, 100).unwrap().unwrap(), b"FROM scratch\n", "{path}");
        }
        assert_eq!(workspace.read("app/missing", Links::Within, 100), Ok(None));
    }

    #[test]
    fn nothing_outside_is_read() {
        let (_folder, workspace) = checkout();
        for path in ["app/relative", "app/absolute", "up/secret", "../secret", "/etc/passwd"] {
            let error = workspace.read(path, Links::Within, 100).unwrap_err();
            assert_eq!(error, WorkspaceError::Outside { path: path.to_owned() });
        }
    }

    #[test]
    fn a_mounted_path_holds_no_link_at_all() {
        let (_folder, workspace) = checkout();
        assert_eq!(workspace.mountable("app").unwrap(), Some(workspace.path().join("app")));
        assert_eq!(workspace.mountable(".").unwrap().as_deref(), Some(workspace.path()));
        assert!(workspace.mountable("alias").is_err());
        assert!(workspace.mountable("up").is_err());
    }

    #[test]
    fn folders_are_made_within_and_not_through_links() {
        let (folder, workspace) = checkout();
        workspace.make_folders("app/new/deep").unwrap();
        assert!(workspace.path().join("app/new/deep").is_dir());
        workspace.make_folders("app/new").unwrap();
        workspace.make_folders("app/Dockerfile/below").unwrap();
        for path in ["up/made", "../made", "alias/made"] {
            assert!(workspace.make_folders(path).is_err(), "{path}");
        }
        assert!(!folder.path().join("made").exists());
    }

    #[test]
    fn a_tree_is_taken_in_whatever_was_put_in_its_place() {
        let (folder, _) = checkout();
        let (tree, outside) = (folder.path().join("checkout"), folder.path().join("outside"));
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        let workspace = Workspace::make(folder.path().join("new/build")).unwrap();
        symlink(folder.path().join("secret"), workspace.path().join("alias")).unwrap();
        workspace.take_in(&tree).unwrap();
        assert_eq!(workspace.read("app/Dockerfile", Links::Within, 100).unwrap().unwrap(), b"FROM scratch\n");
        assert_eq!(std::fs::read_link(workspace.path().join("alias")).unwrap(), Path::new("app"));
        assert!(!tree.exists());
        // A folder in the way of a file, and a link to one: nothing is written elsewhere.
        for (in_the_way, name) in [(true, "file"), (false, "folder")] {
            let workspace = Workspace::make(folder.path().join("new").join(name)).unwrap();
            std::fs::create_dir_all(tree.join("folder")).unwrap();
            std::fs::write(tree.join("file"), "").unwrap();
            if in_the_way {
                std::fs::create_dir_all(workspace.path().join("file/full")).unwrap();
            } else {
                symlink(&outside, workspace.path().join("folder")).unwrap();
            }
            assert!(workspace.take_in(&tree).is_err(), "{name}");
            std::fs::remove_dir_all(&tree).unwrap();
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    }

    #[test]
    fn files_are_bounded_and_ordinary() {
        let (_folder, workspace) = checkout();
        assert!(matches!(
            workspace.read("app/Dockerfile", Links::Within, 5),
            Err(WorkspaceError::TooLarge { limit: 5, .. })
        ));
        assert!(matches!(workspace.read("app", Links::Within, 5), Err(WorkspaceError::NotAFile { .. })));
    }
}
