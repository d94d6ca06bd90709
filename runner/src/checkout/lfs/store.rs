//! Large files by their content, beside the mirror that points to them.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::pointer::Pointer;
use crate::checkout::abandoned::DRAFT;

/// The folder that holds them. Whoever writes into it has the mirror's lock.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn at(folder: PathBuf) -> Self {
        Store { folder }
    }

    /// Where the file with this SHA-256 is, or would be.
    pub(super) fn path(&self, oid: &str) -> PathBuf {
        // As git's client lays them out. The digits were looked at when the pointer was read.
        self.folder.join(&oid[..2]).join(&oid[2..4]).join(oid)
    }

    /// Whether a file is here. It was looked through when it was stored.
    pub(super) fn holds(&self, pointer: &Pointer) -> bool {
        fs::metadata(self.path(&pointer.oid)).is_ok_and(|found| found.len() == pointer.size)
    }

    /// Begins to store a file.
    pub(super) fn draft(&self, pointer: &Pointer) -> io::Result<Draft> {
        let path = self.path(&pointer.oid);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::create(draft_of(&path))?;
        Ok(Draft { file, path, digest: Sha256::new(), length: 0, wanted: pointer.clone() })
    }
}

fn draft_of(path: &Path) -> PathBuf {
    path.with_extension(DRAFT)
}

/// A file on its way into the store: under another name until it is complete and what it should be.
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    digest: Sha256,
    length: u64,
    wanted: Pointer,
}

impl Draft {
    /// Adds bytes; answers whether there are not too many by now.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<bool> {
        self.length += bytes.len() as u64;
        self.digest.update(bytes);
        self.file.write_all(bytes)?;
        Ok(self.length <= self.wanted.size)
    }

    /// Gives the file its name; answers whether it is what was asked for.
    pub(super) fn complete(self) -> io::Result<bool> {
        let found: String = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if found != self.wanted.oid || self.length != self.wanted.size {
            fs::remove_file(draft_of(&self.path))?;
            return Ok(false);
        }
        self.file.sync_all()?;
        fs::rename(draft_of(&self.path), &self.path)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn only_what_its_name_says_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("lfs"));
        let oid = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let pointer = Pointer { oid: oid.to_owned(), size: 5 };
        let mut wrong = store.draft(&pointer).unwrap();
        assert!(wrong.add(b"hullo").unwrap());
        assert!(!wrong.complete().unwrap() && !store.holds(&pointer));
        let mut long = store.draft(&pointer).unwrap();
        assert!(!long.add(b"hello, world").unwrap());
        let mut right = store.draft(&pointer).unwrap();
        assert!(right.add(b"hel").unwrap() && right.add(b"lo").unwrap());
        assert!(!store.holds(&pointer), "not before it is complete");
        assert!(right.complete().unwrap() && store.holds(&pointer));
        assert_eq!(fs::read_dir(store.path(oid).parent().unwrap()).unwrap().count(), 1);
    }
}
