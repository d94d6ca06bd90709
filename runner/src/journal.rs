//! What a runner must know of its jobs in its next life: one small file for each, written before any work begins.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use slipway_pipelines::plan::Plan;
use tokio::task::spawn_blocking;

use crate::{
    coordinator::{Lease, LeaseKey, Work},
    engine::labels::Origin,
};

/// The largest entry that is read, in bytes. Nobody but the runner writes them.
const LARGEST: u64 = 256 * 1024 * 1024;
const ENDING: &str = "json";
const DRAFT: &str = "draft";

/// What is kept of one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The lease that it runs under.
    pub(crate) lease: LeaseKey,
    /// The life of the runner that began it: everything of the job's on the engine bears it.
    pub(crate) life: String,
    /// Which attempt it is.
    pub(crate) attempt: u32,
    /// The id of the repository that it builds; none of a rollout.
    pub(crate) repository: Option<String>,
    /// What its checkout asked for, once that is known.
    pub(crate) plan: Option<Plan>,
}

impl Entry {
    /// The entry of a job that this life begins.
    pub(crate) fn begin(lease: &Lease, life: &str) -> Self {
        Entry {
            lease: lease.key.clone(),
            life: life.to_owned(),
            attempt: lease.attempt,
            repository: match &lease.work {
                Work::Build(build) => Some(build.repository.clone()),
                Work::Rollout(_) => None,
            },
            plan: None,
        }
    }

    /// Whose a build's objects on the engine are; none of a rollout, whose containers outlive it.
    pub(crate) fn origin(&self, runner: &str) -> Option<Origin> {
        self.repository.as_ref().map(|repository| Origin {
            runner: runner.to_owned(),
            incarnation: self.life.clone(),
            job: self.lease.job.clone(),
            attempt: self.attempt,
            repository: repository.clone(),
        })
    }
}

/// The entry of a job that is being worked on.
#[derive(Debug)]
pub(crate) struct Page {
    journal: Journal,
    entry: Entry,
}

impl Page {
    pub(crate) fn new(journal: Journal, entry: Entry) -> Self {
        Page { journal, entry }
    }

    /// What is kept.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry, for whoever goes on with the job.
    pub(crate) fn into_entry(self) -> Entry {
        self.entry
    }

    /// The plan that the build goes by: the one that is kept already, whose steps the server knows; or else this one,
    /// which is kept before any of its steps is told of.
    pub(crate) async fn settle(&mut self, plan: Plan) -> Plan {
        if let Some(kept) = &self.entry.plan {
            return kept.clone();
        }
        self.entry.plan = Some(plan.clone());
        self.journal.keep(&self.entry).await;
        plan
    }
}

/// The folder of the entries. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    folder: PathBuf,
}

impl Journal {
    /// Opens the journal of the runner whose folder this is.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Journal { folder })
    }

    /// What earlier lives left. An entry that cannot be read is told of and removed: its job goes back to the queue,
    /// and what it left is known by its labels.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.folder)? {
            let path = found?.path();
            match path.extension() {
                Some(ending) if ending == ENDING => match read(&path) {
                    Ok(entry) => {
                        entries.push(entry);
                        continue;
                    }
                    Err(error) => tracing::error!(
                        path = %path.display(), %error,
                        "the journal of a job cannot be read: the job is given back and begins again"
                    ),
                },
                // A life was killed while it wrote it.
                _ => {}
            }
            remove(&path);
        }
        entries.sort_by(|one, other| one.lease.cmp(&other.lease));
        Ok(entries)
    }

    /// What is kept now, in a journal that is written meanwhile. What cannot be read is left out.
    pub(crate) fn kept(&self) -> Vec<Entry> {
        let Ok(found) = fs::read_dir(&self.folder) else { return Vec::new() };
        let paths = found.flatten().map(|found| found.path());
        let paths = paths.filter(|path| path.extension().is_some_and(|ending| ending == ENDING));
        paths.filter_map(|path| read(&path).ok()).collect()
    }

    /// What is kept of a job.
    pub(crate) fn find(&self, job: &str) -> Option<Entry> {
        read(&self.path(job)).ok()
    }

    /// When an entry was kept.
    pub(crate) fn written(&self, lease: &LeaseKey) -> Option<SystemTime> {
        fs::metadata(self.path(&lease.job)).ok()?.modified().ok()
    }

    /// Keeps an entry, in place of what was kept of its job. What cannot be kept is told of, and the job goes on: only
    /// the next life cannot take it up. Returns whether it is kept.
    pub(crate) async fn keep(&self, entry: &Entry) -> bool {
        let path = self.path(&entry.lease.job);
        let text = serde_json::to_vec(entry).map_err(io::Error::other);
        let written = spawn_blocking(move || write(&path, &text?)).await.unwrap_or_else(|error| Err(error.into()));
        if let Err(error) = &written {
            tracing::error!(
                job = %entry.lease.job, %error,
                "the job's journal cannot be written: should the runner end now, the job begins again"
            );
        }
        written.is_ok()
    }

    /// Forgets a job.
    pub(crate) fn forget(&self, lease: &LeaseKey) {
        remove(&self.path(&lease.job));
    }

    /// Ids are made of letters and digits; whatever else a server may send does not leave the folder.
    fn path(&self, job: &str) -> PathBuf {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
        self.folder.join(format!("{}.{ENDING}", job.chars().map(plain).take(100).collect::<String>()))
    }
}

fn read(path: &Path) -> io::Result<Entry> {
    if fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::other("it is larger than any journal"));
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// A crash leaves the old entry or the new one, and never a part.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(DRAFT);
    let mut file = File::create(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a job's journal cannot be removed");
        }
        _ => {}
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use slipway_pipelines::plan::ReleasePlan;

    use super::*;

    fn entry(job: &str, epoch: i64) -> Entry {
        Entry {
            lease: LeaseKey { job: job.to_owned(), epoch },
            life: "first".to_owned(),
            attempt: 1,
            repository: Some("repository".to_owned()),
            plan: None,
        }
    }

    #[tokio::test]
    async fn what_was_kept_is_found_in_the_next_life_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path().join("jobs")).unwrap();
        let plan = Plan { steps: vec![], services: vec![], warnings: vec![], release: ReleasePlan::default() };
        let planned = Entry { plan: Some(plan), ..entry("01B", 3) };
        for kept in [&entry("01A", 1), &entry("01B", 3), &planned] {
            journal.keep(kept).await;
        }
        assert_eq!(journal.entries().unwrap(), [entry("01A", 1), planned.clone()]);
        journal.forget(&planned.lease);
        journal.forget(&planned.lease);
        assert_eq!(journal.entries().unwrap(), [entry("01A", 1)]);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_removed_and_hides_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path().to_owned()).unwrap();
        journal.keep(&entry("01A", 1)).await;
        fs::write(folder.path().join("01B.json"), "{\"lease\":").unwrap();
        fs::write(folder.path().join("01C.draft"), "{").unwrap();
        assert_eq!(journal.entries().unwrap(), [entry("01A", 1)]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn no_id_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path().join("jobs")).unwrap();
        journal.keep(&entry("../../evil", 1)).await;
        assert_eq!(journal.entries().unwrap().len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
