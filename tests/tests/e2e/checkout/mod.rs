//! Checkouts with all that belongs to them, and those that end in the middle.

mod cancelled;
mod large_files;
mod submodules;
mod trusted;
mod upkeep;

use std::path::PathBuf;

use slipway_runner::checkout::{Aim, CheckoutError, CheckoutLimits, CheckoutRequest, Mirrors};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A runner's mirrors, and the checkouts that are made from them.
struct Desk {
    folder: TempDir,
    mirrors: Mirrors,
    count: u32,
}

impl Desk {
    fn new() -> Self {
        Self::that_reaches(&[])
    }

    /// With these internal servers named.
    fn that_reaches(hosts: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mirrors = Mirrors::new(folder.path().join("mirrors"), CheckoutLimits::default());
        Desk { mirrors: mirrors.with_internal_hosts(hosts.to_vec()), folder, count: 0 }
    }

    /// Checks a commit of main out: where it is, and what was said.
    async fn check_out(&mut self, url: &str, commit: &str) -> Result<(PathBuf, String), CheckoutError> {
        self.check_out_ref(url, "refs/heads/main", commit).await
    }

    /// The same with a commit of any ref.
    async fn check_out_ref(
        &mut self,
        url: &str,
        git_ref: &str,
        commit: &str,
    ) -> Result<(PathBuf, String), CheckoutError> {
        self.count += 1;
        let into = self.folder.path().join(format!("checkout-{}", self.count));
        let request = CheckoutRequest {
            repository: "shop".to_owned(),
            clone_url: url.to_owned(),
            login: None,
            git_ref: git_ref.to_owned(),
            aim: Aim::Commit(commit.to_owned()),
        };
        let (progress, mut told) = mpsc::unbounded_channel();
        let done = self.mirrors.checkout(request, &into, &CancellationToken::new(), progress).await;
        let mut said = String::new();
        while let Some(line) = told.recv().await {
            said.push_str(&line);
            said.push('\n');
        }
        assert_eq!(done.is_ok(), into.exists(), "files are there if and only if all of them are: {done:?}");
        done.map(|_| (into, said))
    }
}
