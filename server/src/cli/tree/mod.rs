//! The working tree that a command was called in: its captain.yml, its files, its state in git.

mod changes;
mod files;
mod git;
mod situation;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

pub(super) use changes::Changes;
pub(super) use git::Git;
pub(super) use situation::Assumptions;
use slipway_pipelines::{
    config::Config,
    detect::{self, RepositoryFacts},
    parse::{FILE_NAME, MAX_BYTES},
};

use super::{Failure, exit};

/// What the file is called by whoever prefers the longer ending.
const OTHER_NAME: &str = "captain.yaml";

/// A working tree as it stands.
#[derive(Debug)]
pub(super) struct WorkingTree {
    /// The folder with the captain.yml; it is what is built.
    pub(super) root: PathBuf,
    /// Its state in git; none without a repository, and before the first commit.
    pub(super) git: Option<Git>,
    /// Its files, as paths within it.
    pub(super) files: Vec<String>,
    /// What changed, if that was asked for and is known.
    pub(super) changes: Option<Changes>,
    /// `namespace/folder`: what images without a name of their own are called by.
    pub(super) own_name: String,
    /// The captain.yml, if there is one.
    text: Option<String>,
}

impl WorkingTree {
    /// Opens the tree that `folder` is in: the folder itself if it has a captain.yml, as captain has it, else the root of
    /// its repository if that has one, else the folder.
    pub(super) fn open(folder: &Path, namespace: &str) -> Result<Self, Failure> {
        let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
        let folder = folder.canonicalize().map_err(unreadable)?;
        let repository = git::discover(&folder).map_err(|error| git_failed(&error))?;
        let workdir = repository.as_ref().and_then(|found| found.workdir()).and_then(|root| root.canonicalize().ok());
        let has_file = |folder: &Path| folder.join(FILE_NAME).is_file();
        let root = match workdir {
            Some(top) if !has_file(&folder) && has_file(&top) => top,
            _ => folder,
        };
        let (state, files) = match &repository {
            Some(found) => (
                git::read(found).map_err(|error| git_failed(&error))?,
                git::files(found, &root).map_err(|error| git_failed(&error))?,
            ),
            None => (None, files::walk(&root)),
        };
        let changes = match (&repository, &state) {
            (Some(found), Some(state)) => changes::read(found, state, &root).map_err(|error| git_failed(&error))?,
            _ => None,
        };
        let own_name = own_name(namespace, &root);
        let text = text(&root)?;
        Ok(WorkingTree { root, git: state, files, changes, own_name, text })
    }

    /// The facts that the language wants to know.
    pub(super) fn facts(&self) -> RepositoryFacts<'_> {
        RepositoryFacts { repository: &self.own_name }
    }

    /// The repository's name: that of its origin, or one like captain's names of images.
    pub(super) fn repository(&self) -> &str {
        self.git.as_ref().and_then(|git| git.repository.as_deref()).unwrap_or(&self.own_name)
    }

    /// Whether there is a captain.yml.
    pub(super) fn has_file(&self) -> bool {
        self.text.is_some()
    }

    /// The text of the captain.yml, if there is one.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The configuration that the captain.yml holds, or that the Dockerfiles imply.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let Some(text) = &self.text else { return self.detected() };
        super::language::read(FILE_NAME, text, &self.facts())
    }

    /// The configuration that the Dockerfiles imply.
    pub(super) fn detected(&self) -> Result<Config, Failure> {
        detect::detect(&self.files, &self.facts()).map_err(|problems| {
            let hint = self.other_file().map(|hint| format!("; {hint}")).unwrap_or_default();
            Failure::new(format!("{problems}{hint}")).with_code(exit::NOTHING)
        })
    }

    /// What is to be said of a file that was surely meant as the captain.yml, and is not read.
    pub(super) fn other_file(&self) -> Option<String> {
        let is_there = self.text.is_none() && self.root.join(OTHER_NAME).is_file();
        is_there.then(|| format!("{OTHER_NAME} is not read: call it {FILE_NAME}"))
    }

    /// The text of a file of the tree, as long as it is no longer than anyone would write by hand.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(self.root.join(path)).ok()?;
        file.take(MAX_BYTES as u64).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// `namespace/folder`, with one slash between them; without a namespace, the folder.
fn own_name(namespace: &str, root: &Path) -> String {
    let folder = root.file_name().map_or_else(|| "app".to_owned(), |name| name.to_string_lossy().into_owned());
    match namespace.trim_end_matches('/') {
        "" => folder,
        namespace => format!("{namespace}/{folder}"),
    }
}

fn text(root: &Path) -> Result<Option<String>, Failure> {
    let path = root.join(FILE_NAME);
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    // One byte more than is allowed: the parser says that it is too much.
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn git_failed(error: &git2::Error) -> Failure {
    Failure::new(format!("git cannot be asked for the state of the working tree: {}", error.message()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use std::path::Path;

    use super::{WorkingTree, own_name};

    #[test]
    fn the_longer_ending_is_named_where_it_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("captain.yaml"), "web: {image: a/b}\n").unwrap();
        let tree = WorkingTree::open(folder.path(), "ada").unwrap();
        let hint = "captain.yaml is not read: call it captain.yml";
        assert_eq!(tree.other_file().as_deref(), Some(hint));
        assert!(tree.config().unwrap_err().text.ends_with(hint), "there is no Dockerfile either");
        std::fs::write(folder.path().join("captain.yml"), "web: {image: a/b}\n").unwrap();
        assert_eq!(WorkingTree::open(folder.path(), "ada").unwrap().other_file(), None);
    }

    #[test]
    fn there_is_one_slash_after_the_namespace() {
        let of = |namespace| own_name(namespace, Path::new("/src/Hello"));
        assert_eq!(of("harbur"), "harbur/Hello");
        assert_eq!(of("registry.example.com/harbur"), "registry.example.com/harbur/Hello");
        assert_eq!(of("registry.example.com/harbur/"), "registry.example.com/harbur/Hello");
        assert_eq!(of(""), "Hello");
    }
}
