//! When something was last used: a small file for each, whose time of change is the answer. It outlives the process.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::clock;

/// The records of one kind of things, and which of them are in use by this process.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    folder: PathBuf,
    in_use: Arc<Mutex<HashMap<String, usize>>>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: String,
    /// What was noted of it.
    pub(super) note: String,
    /// How long ago it was used; nothing while it is in use.
    pub(super) unused: Duration,
    pub(super) is_in_use: bool,
}

/// Keeps a thing in use until it is dropped.
#[derive(Debug)]
pub(crate) struct InUse {
    records: Records,
    name: String,
    note: String,
}

impl Records {
    /// Keeps records in `folder`, which is made when it is missing.
    pub(crate) fn new(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Records { folder, in_use: Arc::default() })
    }

    /// Notes that a thing is used from now on, and what is to be known of it.
    pub(crate) fn begin(&self, name: &str, note: &str) -> InUse {
        *self.counts().entry(name.to_owned()).or_default() += 1;
        self.touch(name, note);
        InUse { records: self.clone(), name: name.to_owned(), note: note.to_owned() }
    }

    /// Notes that a thing was used now.
    pub(super) fn touch(&self, name: &str, note: &str) {
        if let Err(error) = self.write(name, note) {
            tracing::warn!(%name, %error, "cannot note that something was used: it may be collected too early");
        }
    }

    /// Whether there is a record of a thing.
    pub(crate) fn is_known(&self, name: &str) -> bool {
        self.path(name).is_some_and(|path| path.exists())
    }

    /// The record of a thing. One that has none is used from now on, as far as anybody knows.
    pub(super) fn of(&self, name: &str) -> Record {
        let is_in_use = self.is_in_use(name);
        let changed = self.path(name).and_then(|path| fs::metadata(path).ok()?.modified().ok());
        let unused = match changed {
            Some(changed) => clock::now().duration_since(changed).unwrap_or_default(),
            None => {
                self.touch(name, "");
                Duration::ZERO
            }
        };
        let note = self.path(name).and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        Record { name: name.to_owned(), note, unused, is_in_use }
    }

    /// Whether this process uses a thing.
    pub(super) fn is_in_use(&self, name: &str) -> bool {
        self.counts().contains_key(name)
    }

    /// Every record.
    pub(super) fn all(&self) -> io::Result<Vec<Record>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.ends_with(DRAFT) {
                all.push(self.of(&name));
            }
        }
        Ok(all)
    }

    /// Forgets a thing that is gone.
    pub(super) fn forget(&self, name: &str) {
        if let Some(path) = self.path(name) {
            // What was not forgotten is looked for once more, and not found.
            let _ = fs::remove_file(path);
        }
    }

    fn write(&self, name: &str, note: &str) -> io::Result<()> {
        let path = self.path(name).ok_or_else(|| io::Error::other("that is no name of a file"))?;
        let draft = self.folder.join(format!("{name}{DRAFT}"));
        fs::write(&draft, note)?;
        fs::rename(draft, path)
    }

    /// A name is the server's or the engine's word; it becomes the name of a file only if it is harmless.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let is_harmless = !name.is_empty()
            && !name.starts_with('.')
            && !name.ends_with(DRAFT)
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        is_harmless.then(|| Path::new(&self.folder).join(name))
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the name of a record that is being written.
const DRAFT: &str = ".draft";

impl Drop for InUse {
    fn drop(&mut self) {
        self.records.touch(&self.name, &self.note);
        let mut counts = self.records.counts();
        if let Some(count) = counts.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_record_outlives_the_process_and_a_use_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path().join("records")).unwrap();
        let used = records.begin("01JREPO", "");
        assert!(records.of("01JREPO").is_in_use);
        let again = records.begin("01JREPO", "");
        drop(used);
        assert!(records.of("01JREPO").is_in_use, "another job uses it");
        drop(again);
        assert!(!records.of("01JREPO").is_in_use);
        records.touch("sha256-1", "shop/web@sha256:1");
        let later = Records::new(folder.path().join("records")).unwrap();
        assert_eq!(later.of("sha256-1").note, "shop/web@sha256:1");
        assert_eq!(later.all().unwrap().len(), 2);
        later.forget("sha256-1");
        assert!(!later.is_known("sha256-1") && later.is_known("01JREPO"));
        assert_eq!(later.all().unwrap().len(), 1);
    }

    #[test]
    fn how_long_ago_is_read_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path().to_owned()).unwrap();
        records.touch("old", "");
        let long_ago = clock::now() - Duration::from_secs(1_000);
        fs::File::options().write(true).open(folder.path().join("old")).unwrap().set_modified(long_ago).unwrap();
        let unused = records.of("old").unused;
        assert!(unused >= Duration::from_secs(1_000) && unused < Duration::from_secs(1_100), "{unused:?}");
        assert!(records.of("new").unused < Duration::from_secs(60), "what has no record was just seen");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path().join("records")).unwrap();
        for name in ["../escaped", "", ".", "..", "a/b", "x.draft"] {
            records.touch(name, "");
        }
        assert_eq!(records.all().unwrap(), []);
        assert!(!folder.path().join("escaped").exists());
    }
}
