//! Walking through a folder of a workspace without following a link.

use std::{
    ffi::{CString, OsStr},
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// How many folders deep a tree may go.
const DEPTH_LIMIT: usize = 128;
/// How many names one folder may hold; they are sorted in memory.
const NAMES_LIMIT: usize = 500_000;

/// Lists a tree, folders before what is in them, names in order.
///
/// Every folder is opened from its parent's handle and never through a link, so that a command that swaps a folder for a
/// link meanwhile cannot lead the walk astray.
#[derive(Debug)]
pub(crate) struct Walker {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    folder: OwnedFd,
    path: PathBuf,
    /// In reverse order, to be taken from the end.
    names: Vec<CString>,
    listed: bool,
}

/// Something found in a tree.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its path from where the walk began.
    pub(crate) path: PathBuf,
    /// What it is.
    pub(crate) kind: EntryKind,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Time of the last change of its content, in unix seconds.
    pub(crate) modified: i64,
}

/// What an entry is. Sockets, pipes and devices are not listed.
#[derive(Debug)]
pub(crate) enum EntryKind {
    /// A folder; what is in it follows.
    Folder,
    /// An ordinary file, open.
    File(File, u64),
    /// A symbolic link and where it points to; not followed.
    Link(PathBuf),
}

impl Walker {
    pub(super) fn new(folder: OwnedFd) -> Self {
        Walker { levels: vec![Level { folder, path: PathBuf::new(), names: Vec::new(), listed: false }] }
    }

    /// The next entry.
    ///
    /// `wanted` decides by path and whether it is a folder which entries are looked at, so that what is left out is
    /// not even opened.
    pub(crate) fn next(&mut self, wanted: &mut dyn FnMut(&Path, bool) -> bool) -> io::Result<Option<Entry>> {
        while let Some(level) = self.levels.last_mut() {
            if !level.listed {
                level.names = list(&level.folder)?;
                level.listed = true;
            }
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            let path = level.path.join(OsStr::from_bytes(name.as_bytes()));
            let stat = match rustix::fs::statat(level.folder.as_fd(), name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Removed since it was listed, by a command that still runs.
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            if !wanted(&path, kind == FileType::Directory) {
                continue;
            }
            if let Some(entry) = self.entry(&name, path, kind, &stat)? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn entry(&mut self, name: &CString, path: PathBuf, kind: FileType, stat: &Stat) -> io::Result<Option<Entry>> {
        let Some(level) = self.levels.last() else { return Ok(None) };
        let folder = level.folder.as_fd();
        let no_follow = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let kind = match kind {
            FileType::Directory => {
                if self.levels.len() >= DEPTH_LIMIT {
                    return Err(io::Error::other(format!("{}: more than {DEPTH_LIMIT} folders deep", path.display())));
                }
                let opened = rustix::fs::openat(folder, name.as_c_str(), no_follow | OFlags::DIRECTORY, Mode::empty())?;
                self.levels.push(Level { folder: opened, path: path.clone(), names: Vec::new(), listed: false });
                EntryKind::Folder
            }
            FileType::RegularFile => {
                let file = File::from(rustix::fs::openat(folder, name.as_c_str(), no_follow, Mode::empty())?);
                let metadata = file.metadata()?;
                if !metadata.is_file() {
                    return Ok(None);
                }
                EntryKind::File(file, metadata.len())
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(folder, name.as_c_str(), Vec::new())?;
                EntryKind::Link(PathBuf::from(OsStr::from_bytes(target.as_bytes())))
            }
            _ => return Ok(None),
        };
        Ok(Some(Entry { path, kind, mode: stat.st_mode & 0o7777, modified: stat.st_mtime }))
    }
}

fn list(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
        if names.len() > NAMES_LIMIT {
            return Err(io::Error::other(format!("a folder holds more than {NAMES_LIMIT} names")));
        }
    }
    names.sort_unstable_by(|left, right| right.cmp(left));
    Ok(names)
}
