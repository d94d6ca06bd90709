//! The real Docker engine: what Slipway's labels find on it, and a way to cut the line to it.

use std::{path::PathBuf, process::Command, time::Duration};

use tempfile::TempDir;
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinHandle,
};

use crate::wait::until_none;

/// Where the engine listens.
const SOCKET: &str = "/var/run/docker.sock";

/// What one runner left of its builds: containers and networks that carry its labels, and names of images.
#[must_use]
pub fn left_by_builds(runner: &str) -> Vec<String> {
    let images = docker(&["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "reference=slipway-*"]);
    let mark = format!(":{}.", &runner[runner.len() - 10..]);
    let images = images.into_iter().filter(|name| name.contains(&mark)).map(|name| format!("image {name}")).collect();
    let runner = format!("label=slipway.runner={runner}");
    let step =
        ["ps", "--all", "--format", "container {{.Names}}", "--filter", &runner, "--filter", "label=slipway=step"];
    let network = ["network", "ls", "--format", "network {{.Name}}", "--filter", &runner];
    [docker(&step), docker(&network), images].concat()
}

/// The names of a runner's build containers that are running.
#[must_use]
pub fn running(runner: &str) -> Vec<String> {
    let runner = format!("label=slipway.runner={runner}");
    docker(&["ps", "--format", "{{.Names}}", "--filter", &runner, "--filter", "label=slipway=step"])
}

/// Waits until a runner has left nothing.
///
/// # Panics
/// When something is still there after the limit.
pub async fn wait_until_clean(runner: &str, limit: Duration) {
    until_none("a clean engine", limit, async || left_by_builds(runner)).await;
}

/// Asks the docker client, and returns the lines of its answer.
///
/// # Panics
/// When the engine does not do it.
pub fn docker(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker").args(arguments).output().expect("the docker client is installed");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// How often a sweep is repeated while the engine refuses a part of it, and the pause in between.
const SWEEPS: u32 = 20;
const BETWEEN_SWEEPS: Duration = Duration::from_millis(100);

/// Removes what a runner made, also when its test failed: containers, networks, volumes, and the images of a repository.
#[derive(Debug)]
pub struct Sweep {
    /// The runner's id.
    pub runner: String,
    /// The repository's name, which its images are labelled with.
    pub repository: String,
}

impl Drop for Sweep {
    fn drop(&mut self) {
        let runner = format!("label=slipway.runner={}", self.runner);
        let source = format!("label=slipway.source={}", self.repository);
        let sweeps: [(&[&str], &[&str]); 4] = [
            (&["ps", "-aq", "--filter", &runner], &["rm", "-f"]),
            (&["network", "ls", "-q", "--filter", &runner], &["network", "rm"]),
            (&["volume", "ls", "-q", "--filter", &runner], &["volume", "rm", "-f"]),
            (&["images", "-q", "--filter", &source], &["rmi", "-f"]),
        ];
        // The runner may be removing the same things: the engine then refuses for a moment, a network above all.
        for _ in 0..SWEEPS {
            if sweeps.iter().all(|(list, remove)| swept(list, remove)) {
                return;
            }
            std::thread::sleep(BETWEEN_SWEEPS);
        }
    }
}

/// Removes what the list names; tells whether nothing of it is left to remove.
fn swept(list: &[&str], remove: &[&str]) -> bool {
    let Ok(listed) = Command::new("docker").args(list).output() else { return true };
    let mut names: Vec<_> = String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names.is_empty() || Command::new("docker").args(remove).args(names).output().is_ok_and(|done| done.status.success())
}

/// A socket that leads to the engine until it is cut.
pub struct EngineLine {
    folder: TempDir,
    accepting: Option<JoinHandle<()>>,
}

impl EngineLine {
    /// Opens a line to the engine.
    pub fn open() -> Self {
        let folder = TempDir::new().expect("a temporary directory");
        let mut line = EngineLine { folder, accepting: None };
        line.mend();
        line
    }

    /// Opens it again after a cut.
    pub fn mend(&mut self) {
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        self.accepting = Some(tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                connections.spawn(async move {
                    if let Ok(mut engine) = UnixStream::connect(SOCKET).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut engine).await;
                    }
                });
            }
        }));
    }

    /// Its address for a runner.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Cuts the line and every connection over it, as if the engine had died.
    pub fn cut(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        let _ = std::fs::remove_file(self.socket());
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

impl Drop for EngineLine {
    fn drop(&mut self) {
        self.cut();
    }
}
