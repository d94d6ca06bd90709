//! Writing a tree's files, on all processors: a large commit is mostly the making of many small files.
//!
//! Nothing is written through what the tree itself has put there: folders are made first, each file is made anew in a folder
//! that is held open, and a name that is there already is an error. A file is what git keeps of it: what a commit's attributes
//! would make of that (`eol`, `ident`, filters) is not made of it here.

use std::{
    fs::File,
    io::Write,
    num::NonZero,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use git2::{Oid, Repository};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    io::Errno,
};

use super::{CheckoutError, Watch, mirror::Mirror};

/// The most threads that write one commit.
const THREADS: usize = 8;
/// How many files of one folder a thread takes at once.
const PORTION: usize = 256;
/// A folder's files, or some of them.
struct Portion {
    /// The folder, from the root on; empty for the root itself.
    folder: Vec<u8>,
    files: Vec<(Vec<u8>, Oid, Kind)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Program,
    Link,
}

/// Writes a tree into an empty folder. Submodules become empty folders.
pub(super) fn write(mirror: &Mirror, tree: Oid, into: &Path, watch: &Watch) -> Result<(), CheckoutError> {
    let root = rustix::fs::open(into, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let portions = make_folders(&mirror.open()?, tree, root.as_fd(), watch)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS).min(portions.len());
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> Result<(), CheckoutError> {
        // One for each thread: they share no cache that they would wait for.
        let repository = mirror.open()?;
        while let Some(portion) = portions.get(next.fetch_add(1, Ordering::Relaxed)) {
            if failed.load(Ordering::Relaxed) {
                break;
            }
            watch.check()?;
            write_portion(&repository, root.as_fd(), portion)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let begin = || {
            let done = work();
            failed.fetch_or(done.is_err(), Ordering::Relaxed);
            done
        };
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(begin)).collect();
        let own = begin();
        let ended = others
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(CheckoutError::Git("an internal error".to_owned()))));
        ended.fold(own, Result::and)
    })
}

/// Makes all folders, and says what is to be written into them.
fn make_folders(
    repository: &Repository,
    tree: Oid,
    root: BorrowedFd<'_>,
    watch: &Watch,
) -> Result<Vec<Portion>, CheckoutError> {
    let mut portions = Vec::new();
    let mut folders = vec![(tree, Vec::new())];
    while let Some((tree, folder)) = folders.pop() {
        watch.check()?;
        let here = open_folder(root, &folder)?;
        let mut files = Vec::new();
        for entry in &repository.find_tree(tree)? {
            let name = entry.name_bytes();
            let path = || beneath(&folder, name);
            if !is_plain(name) {
                return Err(CheckoutError::Git(format!("the commit holds `{}`", shown(&path()))));
            }
            let kind = match entry.filemode() {
                0o120_000 => Kind::Link,
                0o100_755 => Kind::Program,
                0o040_000 | 0o160_000 => {
                    made(rustix::fs::mkdirat(&here, name, Mode::from_raw_mode(0o755)), &path())?;
                    if entry.filemode() == 0o040_000 {
                        folders.push((entry.id(), path()));
                    }
                    continue;
                }
                _ => Kind::File,
            };
            files.push((name.to_vec(), entry.id(), kind));
        }
        let mut files = files.into_iter().peekable();
        while files.peek().is_some() {
            portions.push(Portion { folder: folder.clone(), files: files.by_ref().take(PORTION).collect() });
        }
    }
    Ok(portions)
}

fn write_portion(repository: &Repository, root: BorrowedFd<'_>, portion: &Portion) -> Result<(), CheckoutError> {
    let folder = open_folder(root, &portion.folder)?;
    for (name, id, kind) in &portion.files {
        let path = || beneath(&portion.folder, name);
        let blob = repository.find_blob(*id)?;
        let mode = match kind {
            Kind::Link => {
                made(rustix::fs::symlinkat(blob.content(), &folder, name.as_slice()), &path())?;
                continue;
            }
            Kind::File => 0o644,
            Kind::Program => 0o755,
        };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&folder, name.as_slice(), flags, Mode::from_raw_mode(mode));
        File::from(made(file, &path())?).write_all(blob.content())?;
    }
    Ok(())
}

/// Opens a folder that was made, through no link.
fn open_folder(root: BorrowedFd<'_>, folder: &[u8]) -> Result<OwnedFd, CheckoutError> {
    let folder = if folder.is_empty() { b".".as_slice() } else { folder };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(root, folder, flags, Mode::empty(), how)?)
}

/// No name leads to another folder, or is taken for git's own.
fn is_plain(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.eq_ignore_ascii_case(b".git")
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// The path of what has this name in a folder.
fn beneath(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, name].join(&b'/') }
}

fn made<T>(result: Result<T, Errno>, path: &[u8]) -> Result<T, CheckoutError> {
    result.map_err(|error| match error {
        Errno::EXIST => CheckoutError::Git(format!("the commit holds `{}` twice", shown(path))),
        error => CheckoutError::Git(format!("`{}`: {error}", shown(path))),
    })
}

fn shown(path: &[u8]) -> String {
    std::ffi::OsStr::from_bytes(path).display().to_string()
}

impl From<Errno> for CheckoutError {
    fn from(error: Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::os::unix::fs::PermissionsExt;

    use git2::ObjectType;

    use super::*;

    /// A tree as it stands in the object store, which no builder would make.
    fn tree(repository: &Repository, entries: &[(&str, &[u8], Oid)]) -> Oid {
        let mut raw = Vec::new();
        for (mode, name, id) in entries {
            raw.extend_from_slice(mode.as_bytes());
            raw.push(b' ');
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend_from_slice(id.as_bytes());
        }
        repository.odb().unwrap().write(ObjectType::Tree, &raw).unwrap()
    }

    fn mirror() -> (tempfile::TempDir, Mirror, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::at(folder.path(), "shop");
        let repository = mirror.open().unwrap();
        (folder, mirror, repository)
    }

    #[test]
    fn files_programs_links_and_folders_are_what_they_are() {
        let (folder, mirror, repository) = mirror();
        let (text, target) = (repository.blob(b"text").unwrap(), repository.blob(b"b/../../outside").unwrap());
        let many: Vec<(String, Oid)> = (0..1000).map(|number| (format!("{number:04}"), text)).collect();
        let entries: Vec<_> = many.iter().map(|(name, id)| ("100644", name.as_bytes(), *id)).collect();
        let below = tree(&repository, &entries);
        let root = tree(
            &repository,
            &[
                ("100755", b"a", text),
                ("40000", b"b", below),
                ("120000", b"link", target),
                ("160000", b"sub", text),
                ("100644", b"\xff", text),
            ],
        );
        let into = folder.path().join("into");
        std::fs::create_dir(&into).unwrap();
        write(&mirror, root, &into, &Watch::unbounded()).unwrap();
        assert_eq!(std::fs::read_dir(into.join("b")).unwrap().count(), 1000);
        assert_eq!(std::fs::read(into.join("b/0999")).unwrap(), b"text");
        assert_eq!(std::fs::read_link(into.join("link")).unwrap(), Path::new("b/../../outside"));
        assert_ne!(std::fs::metadata(into.join("a")).unwrap().permissions().mode() & 0o111, 0);
        assert!(into.join("sub").is_dir());
        assert!(into.join(std::ffi::OsStr::from_bytes(b"\xff")).is_file());
    }

    #[test]
    fn a_tree_that_would_write_elsewhere_is_refused() {
        let (folder, mirror, repository) = mirror();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        let text = repository.blob(b"text").unwrap();
        let target = repository.blob(outside.display().to_string().as_bytes()).unwrap();
        let below = tree(&repository, &[("100644", b"file", text)]);
        let hostile: [&[(&str, &[u8], Oid)]; 8] = [
            &[("120000", b"a", target), ("40000", b"a", below)],
            &[("40000", b"a", below), ("120000", b"a", target)],
            &[("120000", b"a", target), ("100644", b"a", text)],
            &[("120000", b"a", target), ("100644", b"a/file", text)],
            &[("100644", b"../file", text)],
            &[("40000", b"..", below)],
            &[("40000", b".git", below)],
            &[("40000", b".GIT", below)],
        ];
        for (number, entries) in hostile.into_iter().enumerate() {
            let into = folder.path().join(format!("into-{number}"));
            std::fs::create_dir(&into).unwrap();
            let root = tree(&repository, entries);
            assert!(write(&mirror, root, &into, &Watch::unbounded()).is_err(), "{entries:?}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }
}
