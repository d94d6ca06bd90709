//! A real git server (`git daemon`) on a port of its own, and the repositories that it serves.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use git2::{Oid, Repository, RepositoryInitOptions, Signature, Time};
use tempfile::TempDir;

use crate::{ports, processes};

/// A running git server; gone when dropped.
pub struct GitServer {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

/// One bare repository of a server.
#[derive(Debug, Clone)]
pub struct GitRepository {
    path: PathBuf,
    url: String,
}

impl GitServer {
    /// Starts a server without repositories.
    pub async fn start() -> Self {
        let mut server =
            GitServer { folder: TempDir::new().expect("a temporary directory"), port: ports::free(), process: None };
        server.resume().await;
        server
    }

    /// Starts it again on the same port.
    pub async fn resume(&mut self) {
        // `git daemon` would run it as a child of its own, which would outlive a kill of `git`.
        let exec_path = Command::new("git").arg("--exec-path").output().expect("git is installed").stdout;
        let exec_path = String::from_utf8(exec_path).expect("git's own path");
        let child = Command::new(Path::new(exec_path.trim()).join("git-daemon"))
            .args(["--reuseaddr", "--export-all", "--informative-errors", "--listen=127.0.0.1"])
            .arg(format!("--port={}", self.port))
            .arg(format!("--base-path={}", self.folder.path().display()))
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon starts");
        self.process = Some(child);
        ports::wait_until_open(self.port, Duration::from_secs(20)).await;
    }

    /// Ends the server's process; its repositories stay.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Holds the git server's process still: whoever asks it waits, until [`GitServer::go_on`].
    pub fn hold(&self) {
        processes::signal(self.process.as_ref(), "STOP");
    }

    /// Lets the process go on after [`GitServer::hold`].
    pub fn go_on(&self) {
        processes::signal(self.process.as_ref(), "CONT");
    }

    /// Makes an empty repository, which gives out branches and tags, but no commit by its bare name.
    #[must_use]
    pub fn repository(&self, name: &str) -> GitRepository {
        let path = self.folder.path().join(name);
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false).initial_head("main");
        Repository::init_opts(&path, &options).expect("a repository is made");
        GitRepository { path, url: format!("git://127.0.0.1:{}/{name}", self.port) }
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl GitRepository {
    /// Where it is fetched from.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on the server gives out any commit by its name, as GitHub does.
    pub fn allow_any_commit(&self) {
        let mut config = self.open().config().expect("the repository's configuration");
        config.set_bool("uploadpack.allowAnySHA1InWant", true).expect("the configuration is written");
    }

    /// Commits to a branch: its files, with these over them. Returns the commit's name.
    pub fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let tip = self.open().refname_to_id(&branch_ref(branch)).ok();
        self.write(branch, tip, files)
    }

    /// Makes a branch that begins at another one's tip with a commit of its own. Returns the commit's name.
    pub fn branch_off(&self, branch: &str, from: &str, files: &[(&str, &str)]) -> String {
        let tip = self.open().refname_to_id(&branch_ref(from)).expect("the branch to leave from");
        self.write(branch, Some(tip), files)
    }

    /// Puts a new history in the place of a branch's, as a force-push does. Returns the new commit's name.
    pub fn force_push(&self, branch: &str, files: &[(&str, &str)]) -> String {
        self.write(branch, None, files)
    }

    /// Removes a branch.
    pub fn delete_branch(&self, branch: &str) {
        self.remove_ref(&branch_ref(branch));
    }

    /// Sets a tag.
    pub fn tag(&self, name: &str, commit: &str) {
        self.set_ref(&format!("refs/tags/{name}"), commit);
    }

    /// Lets a full ref stand at a commit.
    pub fn set_ref(&self, name: &str, commit: &str) {
        let commit = Oid::from_str(commit).expect("a commit's name");
        self.open().reference(name, commit, true, "set").expect("the ref is set");
    }

    /// Removes a full ref.
    pub fn remove_ref(&self, name: &str) {
        let repository = self.open();
        repository.find_reference(name).and_then(|mut reference| reference.delete()).expect("the ref is removed");
    }

    /// Merges a branch into another one and keeps the result as a forge does for a pull request; no branch moves. Returns
    /// the merge's name.
    pub fn merge_pull_request(&self, number: i64, head: &str, base: &str) -> String {
        let repository = self.open();
        let tip = |branch: &str| {
            let id = repository.refname_to_id(&branch_ref(branch)).expect("the branch");
            repository.find_commit(id).expect("its commit")
        };
        let (head, base) = (tip(head), tip(base));
        let mut index = repository.merge_commits(&base, &head, None).expect("a merge");
        assert!(!index.has_conflicts(), "the branches conflict");
        let tree = index.write_tree_to(&repository).and_then(|id| repository.find_tree(id)).expect("the tree");
        let author = Signature::new("Forge", "noreply@forge.example", &Time::new(1_700_000_000, 0)).expect("a person");
        let merge = repository.commit(None, &author, &author, "Merge", &tree, &[&base, &head]).expect("a commit");
        repository.reference(&format!("refs/pull/{number}/merge"), merge, true, "merge").expect("the ref is set");
        merge.to_string()
    }

    /// Puts all objects into one pack, as servers keep them.
    pub fn pack(&self) {
        let packed = Command::new("git").arg("-C").arg(&self.path).args(["repack", "-adq"]).status();
        assert!(packed.expect("git is installed").success(), "git repack");
    }

    fn write(&self, branch: &str, parent: Option<Oid>, files: &[(&str, &str)]) -> String {
        let repository = self.open();
        let parent = parent.map(|id| repository.find_commit(id).expect("the branch's commit"));
        let mut index = git2::Index::new().expect("an index");
        if let Some(parent) = &parent {
            index.read_tree(&parent.tree().expect("the commit's tree")).expect("the tree is read");
        }
        for (path, text) in files {
            let (mode, text) = match text.strip_prefix("-> ") {
                Some(target) => (0o120_000, target),
                None if text.starts_with("#!") => (0o100_755, *text),
                None => (0o100_644, *text),
            };
            let id = repository.blob(text.as_bytes()).expect("a file is stored");
            index.add(&entry(path, mode, id)).expect("a file is added");
        }
        let tree =
            index.write_tree_to(&repository).and_then(|id| repository.find_tree(id)).expect("the tree is stored");
        let author = Signature::new("Test", "test@example.com", &Time::new(1_700_000_000, 0)).expect("a signature");
        let parents: Vec<_> = parent.iter().collect();
        let commit = repository.commit(None, &author, &author, "a change", &tree, &parents).expect("a commit");
        repository.reference(&branch_ref(branch), commit, true, "push").expect("the branch is moved");
        commit.to_string()
    }

    fn open(&self) -> Repository {
        Repository::open_bare(&self.path).expect("the repository is there")
    }
}

fn branch_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

fn entry(path: &str, mode: u32, id: Oid) -> git2::IndexEntry {
    git2::IndexEntry {
        ctime: git2::IndexTime::new(0, 0),
        mtime: git2::IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}
