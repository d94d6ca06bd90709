//! Checkouts of a large repository by Slipway against git's own client, turn by turn, as ratios (docs/BENCHMARKS.md):
//!
//! 1. the first one: an empty mirror and a new folder, against `git clone --depth 1`;
//! 2. the next one, in which a file of every hundred has changed: the mirror and a new folder, against a clone that is kept
//!    (`git fetch`, `git checkout`), and against a new `git clone --depth 1`.
//!
//! `cargo bench -p slipway-tests --bench checkout -- 5 100000`; the numbers say how many turns, and how many files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark ends at the first surprise and prints"
)]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use slipway_runner::checkout::{Aim, CheckoutLimits, CheckoutRequest, Mirrors};
use slipway_tests::git_server::{GitRepository, GitServer};
use tokio::{process::Command, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// How many files a folder has, and of how many one is changed by the second commit.
const IN_FOLDER: usize = 100;

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs every benchmark once to see that it works; this one is not for that.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let (turns, files) = (numbers.next().unwrap_or(5), numbers.next().unwrap_or(100_000));
    let server = GitServer::start().await;
    let mut times: [Vec<Duration>; 5] = Default::default();
    for turn in 0..=turns {
        let scene = Scene::new(&server, turn, files);
        let taken = scene.play(files).await;
        let shown: Vec<_> = taken.iter().map(|took| took.as_millis().to_string()).collect();
        println!("turn {turn}: {} ms", shown.join(", "));
        // The first turn warms the machine, and is not counted.
        if turn > 0 {
            times.iter_mut().zip(taken).for_each(|(times, took)| times.push(took));
        }
    }
    let [first, cloned, next, kept, again] = times.map(|mut times| median(&mut times));
    let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
    println!("{files} files, {turns} turns each, medians:");
    println!("  first checkout   {:>6} ms", first.as_millis());
    println!("  git clone        {:>6} ms, ratio {:.2}", cloned.as_millis(), ratio(first, cloned));
    println!("  next checkout    {:>6} ms", next.as_millis());
    println!("  a clone kept     {:>6} ms, ratio {:.2}", kept.as_millis(), ratio(next, kept));
    println!("  git clone again  {:>6} ms, ratio {:.2}", again.as_millis(), ratio(next, again));
}

struct Scene {
    repository: GitRepository,
    id: String,
    mirrors: Mirrors,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(server: &GitServer, turn: usize, files: usize) -> Self {
        let id = format!("large-{turn}");
        let folder = tempfile::tempdir().unwrap();
        let repository = server.repository(&id);
        commit(&repository, (0..files).map(|file| (file, turn)));
        Scene {
            repository,
            id,
            mirrors: Mirrors::new(folder.path().join("mirrors"), CheckoutLimits::default()),
            folder,
        }
    }

    /// First: Slipway, git. Next: Slipway, git on a clone that is kept, git from the beginning.
    async fn play(&self, files: usize) -> [Duration; 5] {
        let first = self.by_slipway("first", files).await;
        let kept = self.path("kept");
        let cloned = self.clone_into(&kept, files).await;
        let head = commit(&self.repository, (0..files).step_by(IN_FOLDER).map(|file| (file, usize::MAX)));
        let next = self.by_slipway("next", files).await;
        let started = Instant::now();
        git(&kept, &["fetch", "--quiet", "--depth", "1", "origin", "main"]).await;
        git(&kept, &["checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"]).await;
        let fetched = started.elapsed();
        assert!(std::fs::read_to_string(kept.join("0/0.txt")).unwrap().contains(&usize::MAX.to_string()), "{head}");
        let again = self.clone_into(&self.path("again"), files).await;
        [first, cloned, next, fetched, again]
    }

    async fn by_slipway(&self, name: &str, files: usize) -> Duration {
        let (progress, _told) = mpsc::unbounded_channel();
        let request = CheckoutRequest {
            repository: self.id.clone(),
            clone_url: self.repository.url().to_owned(),
            login: None,
            git_ref: "refs/heads/main".to_owned(),
            aim: Aim::Head,
        };
        let into = self.path(name);
        let started = Instant::now();
        self.mirrors.checkout(request, &into, &CancellationToken::new(), progress).await.unwrap();
        let took = started.elapsed();
        assert!(into.join(path(files - 1)).exists());
        took
    }

    async fn clone_into(&self, into: &Path, files: usize) -> Duration {
        let started = Instant::now();
        let target = into.display().to_string();
        let clone = ["clone", "--quiet", "--depth", "1", "--branch", "main", self.repository.url(), &target];
        git(self.folder.path(), &clone).await;
        let took = started.elapsed();
        assert!(into.join(path(files - 1)).exists());
        took
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Commits these files, each with a text of its own.
fn commit(repository: &GitRepository, files: impl Iterator<Item = (usize, usize)>) -> String {
    let line =
        |file: usize, version: usize| format!("{file} {version}\n{}", "a line of some length\n".repeat(file % 50));
    let files: Vec<_> = files.map(|(file, version)| (path(file), line(file, version))).collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let commit = repository.commit("main", &files);
    repository.pack();
    commit
}

fn path(file: usize) -> String {
    format!("{}/{}.txt", file / IN_FOLDER, file % IN_FOLDER)
}

async fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git").arg("-C").arg(folder).args(arguments).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
