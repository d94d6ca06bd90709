//! What the engine itself tells of containers as they begin and end.

use std::{
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long an event may be waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The engine's events of these kinds about containers with a label, from the moment on that this was made.
#[derive(Debug)]
struct Listening {
    _client: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// One of them.
struct Event {
    at: SystemTime,
    kind: String,
    id: String,
}

impl Listening {
    /// Begins to listen. What happens before the engine hears of that is told as well.
    fn to(label: &str, kinds: &[&str]) -> Self {
        let now = UNIX_EPOCH.elapsed().expect("a clock after 1970");
        let since = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
        let mut command = Command::new("docker");
        command.args(["events", "--since", &since, "--filter", &format!("label={label}")]);
        for kind in kinds {
            command.args(["--filter", &format!("event={kind}")]);
        }
        command.args(["--format", "{{.TimeNano}} {{.Action}} {{.Actor.ID}}"]);
        let mut client =
            command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the docker client is installed");
        let lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
        Listening { _client: client, lines }
    }

    /// The next one. `missing` says what is waited for where none comes.
    async fn next(&mut self, missing: impl FnOnce() -> String) -> Event {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{}", missing())).expect("the engine's events");
        let line = line.expect("the engine goes on");
        let [at, kind, id] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("no event: {line}") };
        let at = UNIX_EPOCH + Duration::from_nanos(at.parse().expect("nanoseconds"));
        Event { at, kind: kind.to_owned(), id: id.to_owned() }
    }
}

/// The ends of one runner's containers, from the moment on that this was made.
#[derive(Debug)]
pub struct Deaths(Listening);

impl Deaths {
    /// Begins to listen. What ends before the engine hears of that is told as well.
    ///
    /// # Panics
    /// When there is no docker client.
    #[must_use]
    pub fn of(runner: &str) -> Self {
        Deaths(Listening::to(&format!("slipway.runner={runner}"), &["die"]))
    }

    /// Waits until all of these containers have ended, and tells when the last one did, by the engine's clock.
    ///
    /// # Panics
    /// When one of them goes on.
    pub async fn all_of(&mut self, ids: &[String]) -> SystemTime {
        let (mut left, mut last) = (ids.to_vec(), UNIX_EPOCH);
        while !left.is_empty() {
            let event = self.0.next(|| format!("the containers {left:?} go on")).await;
            left.retain(|one| *one != event.id);
            last = last.max(event.at);
        }
        last
    }
}

/// How many containers of an environment run at once, from the moment on that this was made.
#[derive(Debug)]
pub struct Census {
    listening: Listening,
    running: usize,
}

impl Census {
    /// Begins to count in an environment of which so many run.
    ///
    /// # Panics
    /// When there is no docker client.
    #[must_use]
    pub fn of(environment: &str, running: usize) -> Self {
        Census { listening: Listening::to(&format!("slipway.environment={environment}"), &["start", "die"]), running }
    }

    /// Waits until so many have begun and as many have ended since the last time, and tells the fewest and the most that
    /// ran meanwhile.
    ///
    /// # Panics
    /// When fewer begin or end.
    pub async fn replaced(&mut self, count: usize) -> (usize, usize) {
        let (mut begun, mut ended) = (0, 0);
        let (mut fewest, mut most) = (self.running, self.running);
        while begun < count || ended < count {
            let event = self.listening.next(|| format!("{begun} began and {ended} ended of {count}")).await;
            if event.kind == "start" {
                begun += 1;
                self.running += 1;
            } else {
                ended += 1;
                self.running -= 1;
            }
            (fewest, most) = (fewest.min(self.running), most.max(self.running));
        }
        (fewest, most)
    }
}
