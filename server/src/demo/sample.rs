//! The sample repository: `examples/shop`, committed to a bare repository that the demo's git server serves.

use std::path::Path;

use git2::{Index, IndexEntry, IndexTime, Oid, Repository, Signature};
use rust_embed::RustEmbed;

use super::DemoError;

/// The sample's files, as they stand in `examples/shop`.
#[derive(RustEmbed)]
#[folder = "../examples/shop"]
struct Files;

/// The registry address that the sample's files name; the demo puts its own in its place.
const WRITTEN_REGISTRY: &str = "localhost:5000";

/// A bare repository with the sample's history.
pub(super) struct Sample {
    repository: Repository,
    files: Vec<(String, Vec<u8>)>,
}

/// One push: the ref that moved, and between which commits.
pub(super) struct Push {
    /// The full ref.
    pub(super) git_ref: String,
    /// The commit that the ref pointed to before; zeros for a new ref.
    pub(super) before: String,
    /// The commit that it points to now.
    pub(super) after: String,
    /// The commit's message.
    pub(super) message: String,
}

impl Sample {
    /// Makes the repository in `folder`, with no commit yet.
    pub(super) fn create(folder: &Path, registry: &str) -> Result<Self, DemoError> {
        let repository = Repository::init_bare(folder)?;
        repository.config()?.set_bool("uploadpack.allowAnySHA1InWant", true)?;
        let files = Files::iter()
            .filter_map(|name| Files::get(&name).map(|file| (name.into_owned(), file.data.into_owned())))
            .map(|(name, data)| match String::from_utf8(data) {
                Ok(text) => (name, text.replace(WRITTEN_REGISTRY, registry).into_bytes()),
                Err(error) => (name, error.into_bytes()),
            })
            .collect();
        Ok(Sample { repository, files })
    }

    /// Writes a file, or takes it away; gives what it held before.
    pub(super) fn change(&mut self, name: &str, text: Option<&str>) -> Option<String> {
        let before = self.files.iter().position(|(existing, _)| existing == name).map(|at| self.files.remove(at).1);
        if let Some(text) = text {
            self.files.push((name.to_owned(), text.as_bytes().to_vec()));
        }
        before.and_then(|bytes| String::from_utf8(bytes).ok())
    }

    /// Commits the files as they are on top of `parent_branch` and moves `branch` there, as a push would.
    pub(super) fn push(&self, branch: &str, parent_branch: &str, message: &str) -> Result<Push, DemoError> {
        let git_ref = format!("refs/heads/{branch}");
        let tip = |name: &str| self.repository.refname_to_id(name).ok();
        let before = tip(&git_ref);
        let parents =
            tip(&format!("refs/heads/{parent_branch}")).map(|id| self.repository.find_commit(id)).transpose()?;
        let tree = self.repository.find_tree(self.tree()?)?;
        let author = Signature::now("Ada Lovelace", "ada@example.com")?;
        let parents: Vec<_> = parents.iter().collect();
        let after = self.repository.commit(None, &author, &author, message, &tree, &parents)?;
        self.repository.reference(&git_ref, after, true, "demo")?;
        Ok(Push {
            git_ref,
            before: before.unwrap_or(Oid::ZERO_SHA1).to_string(),
            after: after.to_string(),
            message: message.to_owned(),
        })
    }

    fn tree(&self) -> Result<Oid, DemoError> {
        let mut index = Index::new()?;
        for (name, data) in &self.files {
            let executable = data.starts_with(b"#!");
            index.add(&IndexEntry {
                ctime: IndexTime::new(0, 0),
                mtime: IndexTime::new(0, 0),
                dev: 0,
                ino: 0,
                mode: if executable { 0o100_755 } else { 0o100_644 },
                uid: 0,
                gid: 0,
                file_size: 0,
                id: self.repository.blob(data)?,
                flags: 0,
                flags_extended: 0,
                path: name.as_bytes().to_vec(),
            })?;
        }
        Ok(index.write_tree_to(&self.repository)?)
    }
}
