//! The context of a build that a step asks for, with its Dockerfile rewritten on the way.
//!
//! What goes to the engine is written anew, so that it holds what was read here and nothing else.

use std::{
    collections::HashSet,
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// The largest Dockerfile, in bytes.
const DOCKERFILE_LIMIT: u64 = 4 * 1024 * 1024;
/// The most files and folders of a context.
const ENTRIES_LIMIT: u64 = 2_000_000;
/// The largest context, in bytes.
const SIZE_LIMIT: u64 = 16 * 1024 * 1024 * 1024;
/// The most links that are kept in mind.
const LINKS_LIMIT: usize = 200_000;
const PIECE: usize = 64 * 1024;

/// Copies a context from `from` to `to`, and rewrites the file `dockerfile` in it.
///
/// # Errors
/// When it is no plain tar archive, holds what a build needs none of, or the rewriting fails.
pub(super) fn copy(
    from: impl Read,
    to: impl Write,
    dockerfile: &str,
    rewrite: impl Fn(&str) -> Result<String, String>,
) -> io::Result<()> {
    let wrong = |what: String| io::Error::other(what);
    let dockerfile =
        clean(Path::new(dockerfile)).ok_or_else(|| wrong(format!("`{dockerfile}` leads out of the context")))?;
    let mut archive = tar::Archive::new(from.take(SIZE_LIMIT));
    let mut out = tar::Builder::new(to);
    let mut links: HashSet<PathBuf> = HashSet::new();
    let mut count = 0;
    for entry in archive.entries()? {
        let mut entry = entry.map_err(|error| wrong(format!("the context is no plain tar archive: {error}")))?;
        count += 1;
        if count > ENTRIES_LIMIT || links.len() > LINKS_LIMIT {
            return Err(wrong("the context has too many files".to_owned()));
        }
        let path = entry.path()?.into_owned();
        let path = clean(&path).ok_or_else(|| wrong(format!("`{}` leads out of the context", path.display())))?;
        if path.as_os_str().is_empty() {
            continue;
        }
        // A file behind a link lands elsewhere, perhaps on the Dockerfile.
        if path.ancestors().skip(1).any(|above| links.contains(above)) {
            return Err(wrong(format!("`{}` lies behind a symbolic link", path.display())));
        }
        links.remove(&path);
        let is_dockerfile = is_dockerfile(&path, &dockerfile);
        let kind = entry.header().entry_type();
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.header().mode()? & 0o7777);
        header.set_mtime(entry.header().mtime().unwrap_or(0));
        header.set_uid(entry.header().uid().unwrap_or(0));
        header.set_gid(entry.header().gid().unwrap_or(0));
        match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous if is_dockerfile => {
                let mut text = String::new();
                entry.by_ref().take(DOCKERFILE_LIMIT).read_to_string(&mut text)?;
                let text = rewrite(&text).map_err(wrong)?;
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(text.len() as u64);
                out.append_data(&mut header, &path, text.as_bytes())?;
            }
            _ if is_dockerfile || (dockerfile.starts_with(&path) && kind != tar::EntryType::Directory) => {
                return Err(wrong(format!("`{}` must be an ordinary file, and no link", dockerfile.display())));
            }
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_size(entry.size());
                out.append_data(&mut header, &path, &mut entry)?;
            }
            tar::EntryType::Directory => {
                header.set_entry_type(kind);
                header.set_size(0);
                out.append_data(&mut header, &path, io::empty())?;
            }
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let link = entry.link_name()?.ok_or_else(|| wrong("a link without an end".to_owned()))?.into_owned();
                if kind == tar::EntryType::Symlink {
                    links.insert(path.clone());
                }
                header.set_entry_type(kind);
                header.set_size(0);
                out.append_link(&mut header, &path, &link)?;
            }
            // Devices and pipes have no place in an image.
            _ => {}
        }
    }
    out.into_inner()?.flush()
}

/// A path without what leads nowhere; none when it leads out.
fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for piece in path.components() {
        match piece {
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

/// Whether the engine may take this file for the Dockerfile: it also looks for the usual name in lower case.
fn is_dockerfile(path: &Path, dockerfile: &Path) -> bool {
    path == dockerfile || (dockerfile == Path::new("Dockerfile") && path == Path::new("dockerfile"))
}

/// A body that is read by a thread.
pub(super) struct PieceReader {
    pub(super) pieces: mpsc::Receiver<io::Result<Bytes>>,
    pub(super) piece: Bytes,
}

impl Read for PieceReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let size = into.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut into[..size]);
        Ok(size)
    }
}

/// A body that is written by a thread.
pub(super) struct PieceWriter {
    pub(super) pieces: mpsc::Sender<io::Result<Bytes>>,
    pub(super) piece: Vec<u8>,
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the engine does not listen any more");
        if piece.is_empty() { Ok(()) } else { self.pieces.blocking_send(Ok(piece.into())).map_err(gone) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    enum Item {
        File(&'static str, &'static str),
        Link(&'static str, &'static str),
        Hard(&'static str, &'static str),
    }

    fn archive(items: &[Item]) -> Vec<u8> {
        let mut out = tar::Builder::new(Vec::new());
        for item in items {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            // Set by hand, as the library refuses what a hostile client writes.
            let (path, text, link, kind) = match item {
                Item::File(path, text) => (path, *text, None, tar::EntryType::Regular),
                Item::Link(path, to) => (path, "", Some(to), tar::EntryType::Symlink),
                Item::Hard(path, to) => (path, "", Some(to), tar::EntryType::Link),
            };
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            if let Some(link) = link {
                header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
            }
            header.set_entry_type(kind);
            header.set_size(text.len() as u64);
            header.set_cksum();
            out.append(&header, text.as_bytes()).unwrap();
        }
        out.into_inner().unwrap()
    }

    fn copied(items: &[Item], dockerfile: &str) -> io::Result<Vec<(String, String)>> {
        let mut out = Vec::new();
        copy(archive(items).as_slice(), &mut out, dockerfile, |text| Ok(text.replace("old", "new")))?;
        let mut read = tar::Archive::new(out.as_slice());
        let files = read.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (entry.path().unwrap().display().to_string(), text)
        });
        Ok(files.collect())
    }

    #[test]
    fn only_the_dockerfile_is_rewritten() {
        let files = copied(
            &[Item::File("./a/Dockerfile", "old"), Item::File("Dockerfile", "FROM old"), Item::Link("b", "a")],
            "Dockerfile",
        );
        let pair = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        assert_eq!(files.unwrap(), [pair("a/Dockerfile", "old"), pair("Dockerfile", "FROM new"), pair("b", "")]);
        let files = copied(&[Item::File("a/Dockerfile", "old")], "./a/Dockerfile").unwrap();
        assert_eq!(files, [pair("a/Dockerfile", "new")]);
        let files = copied(&[Item::File("dockerfile", "old")], "Dockerfile").unwrap();
        assert_eq!(files, [pair("dockerfile", "new")], "the engine takes it, too");
    }

    #[test]
    fn a_dockerfile_cannot_be_slipped_past() {
        for items in [
            &[Item::Link("Dockerfile", "other"), Item::File("other", "old")][..],
            &[Item::File("Dockerfile", "x"), Item::Hard("Dockerfile", "other")],
            &[Item::Link("d", "."), Item::File("d/Dockerfile", "old")],
            &[Item::File("a/../Dockerfile", "old")],
            &[Item::File("../Dockerfile", "old")],
        ] {
            assert!(copied(items, "Dockerfile").is_err());
        }
        assert!(copied(&[Item::Link("a", "b"), Item::File("b/D", "old")], "a/D").is_err());
        assert!(copied(&[], "../Dockerfile").is_err());
        let twice = copied(&[Item::File("Dockerfile", "old"), Item::File("/Dockerfile", "old")], "Dockerfile");
        assert!(twice.unwrap().iter().all(|(_, text)| text == "new"));
        assert!(copy(&b"\x1f\x8b not a tar"[..], Vec::new(), "Dockerfile", |text| Ok(text.to_owned())).is_err());
    }
}
