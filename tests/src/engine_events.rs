//! What the engine itself tells of containers as they end.

use std::{
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long an end may be waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ends of one runner's containers, from the moment on that this was made.
#[derive(Debug)]
pub struct Deaths {
    _listening: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Deaths {
    /// Begins to listen. What ends before the engine hears of that is told as well.
    ///
    /// # Panics
    /// When there is no docker client.
    #[must_use]
    pub fn of(runner: &str) -> Self {
        let now = UNIX_EPOCH.elapsed().expect("a clock after 1970");
        let since = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let runner = format!("label=slipway.runner={runner}");
        let mut command = Command::new("docker");
        command.args(["events", "--since", &since, "--filter", &runner, "--filter", "event=die"]);
        command.args(["--format", "{{.TimeNano}} {{.Actor.ID}}"]);
        let mut child =
            command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the docker client is installed");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Deaths { _listening: child, lines }
    }

    /// Waits until all of these containers have ended, and tells when the last one did, by the engine's clock.
    ///
    /// # Panics
    /// When one of them goes on.
    pub async fn all_of(&mut self, ids: &[String]) -> SystemTime {
        let (mut left, mut last) = (ids.to_vec(), UNIX_EPOCH);
        while !left.is_empty() {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("the containers {left:?} go on")).expect("the engine's events");
            let line = line.expect("the engine goes on");
            let (at, id) = line.split_once(' ').expect("a time and an id");
            left.retain(|one| one != id);
            last = last.max(UNIX_EPOCH + Duration::from_nanos(at.parse().expect("nanoseconds")));
        }
        last
    }
}
