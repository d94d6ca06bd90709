//! The real binary as a child process: started, killed, started again, and asked by HTTP and by its command line.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    sync::watch,
    time::timeout,
};

use crate::{api::Api, forge::Webhook, ports, wait::until};

/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(30);
/// How long an orderly end may take.
const END: Duration = Duration::from_secs(30);

/// How to start a server.
#[derive(Debug)]
pub struct Setup {
    data: TempDir,
    variables: BTreeMap<String, String>,
}

/// A running server. Dropped, it is killed and its data is removed.
#[derive(Debug)]
pub struct Slipway {
    setup: Setup,
    child: Child,
    url: String,
    token: Option<String>,
    output: Transcript,
}

/// Everything that was written to the terminal, from all starts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transcript(Arc<watch::Sender<String>>);

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// A server with an empty data directory, SQLite, a port of its own and no runner. One that is asked for keeps nothing
    /// of builds that fail, so that a test can look for what is left of them.
    ///
    /// # Panics
    /// When there is no temporary directory.
    #[must_use]
    pub fn new() -> Self {
        Setup { data: tempfile::tempdir().expect("a temporary directory"), variables: BTreeMap::new() }
            .with("SLIPWAY_LISTEN", &format!("127.0.0.1:{}", ports::free()))
            .with("SLIPWAY_RUNNER_ENABLED", "false")
            .with("SLIPWAY_RUNNER_FAILED_BUILDS", "0")
    }

    /// With the embedded runner, on the engine of this machine.
    #[must_use]
    pub fn with_runner(self) -> Self {
        self.with("SLIPWAY_RUNNER_ENABLED", "true")
    }

    /// With an environment variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// Starts it, and returns once it is ready.
    ///
    /// # Panics
    /// With what it wrote, when it does not become ready.
    pub async fn start(self) -> Slipway {
        let output = Transcript::default();
        let (child, url) = self.spawn(&output).await.unwrap_or_else(|text| panic!("it did not start: {text}"));
        let token = output.token();
        Slipway { setup: self, child, url, token, output }
    }

    /// Starts it and expects that it ends by itself; tells what it wrote.
    ///
    /// # Panics
    /// When it becomes ready.
    pub async fn fail(&self) -> String {
        match self.spawn(&Transcript::default()).await {
            Ok((_, url)) => panic!("it started, at {url}"),
            Err(text) => text,
        }
    }

    /// The binary in its own empty folder, with no variables but this setup's: for whatever is no server.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = slipway_command(self.data.path());
        command.env("SLIPWAY_DATA_DIR", self.data_dir()).envs(&self.variables);
        command
    }

    async fn spawn(&self, output: &Transcript) -> Result<(Child, String), String> {
        let mut command = self.command();
        command.arg("server").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary slipway");
        let before = output.text().len();
        let pipes =
            [output.follow(child.stdout.take().expect("a pipe")), output.follow(child.stderr.take().expect("a pipe"))];
        let mut written = output.0.subscribe();
        let ready = written.wait_for(|text| ready_url(&text[before..]).is_some());
        let found = tokio::select! {
            found = timeout(START, ready) => found.ok().and_then(Result::ok).and_then(|text| ready_url(&text[before..])),
            _ = child.wait() => None,
        };
        match found {
            Some(url) => Ok((child, url)),
            None => {
                drop(child.kill().await);
                for pipe in pipes {
                    drop(pipe.await);
                }
                Err(output.text()[before..].to_owned())
            }
        }
    }
}

impl Slipway {
    /// A server as [`Setup::new`] has it.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    /// Its address, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's token that the first start showed.
    ///
    /// # Panics
    /// When it showed none.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().expect("the first start shows a token")
    }

    /// A client with the administrator's token.
    #[must_use]
    pub fn api(&self) -> Api {
        self.anonymous().bearing(self.token())
    }

    /// A client without any token.
    #[must_use]
    pub fn anonymous(&self) -> Api {
        Api::new(&self.url)
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.setup.data_dir()
    }

    /// Everything that it wrote to the terminal, from all starts.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("a running process")
    }

    /// Connects a repository and returns its webhook.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn connect(&self, name: &str, clone_url: &str) -> Webhook {
        let body = json!({"name": name, "clone_url": clone_url, "default_branch": "main"});
        let connected = self.api().post("/api/v1/repositories", &body).await.expect(201).json();
        let text = |field: &str| connected[field].as_str().expect("a text").to_owned();
        Webhook { repository: text("name"), url: text("hook_url"), secret: text("hook_secret") }
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("to kill it");
    }

    /// Starts it again, on the same data, after [`Slipway::kill`] or [`Slipway::terminate`].
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn restart(&mut self) {
        let started = self.setup.spawn(&self.output).await;
        (self.child, self.url) = started.unwrap_or_else(|text| panic!("it did not start again: {text}"));
    }

    /// Starts it again, after it was ended, and expects that it ends by itself; tells what it wrote.
    ///
    /// # Panics
    /// When it becomes ready.
    pub async fn refused(&self) -> String {
        self.setup.fail().await
    }

    /// Asks it to end, as a service manager does, and waits until it did.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn terminate(&mut self) -> ExitStatus {
        let sent = Command::new("kill").arg("-TERM").arg(self.pid().to_string()).status().await;
        assert!(sent.expect("the command kill").success(), "SIGTERM was not sent");
        timeout(END, self.child.wait()).await.expect("an end in time").expect("an exit status")
    }

    /// Waits until its output holds a text.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn wait_for_output(&self, text: &str) {
        until(text, START, async || self.output().contains(text).then_some(())).await;
    }

    /// Runs a command of the command line against this server, with its token and `input` on standard input.
    ///
    /// # Panics
    /// When it cannot be run.
    pub async fn command(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command_of(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary slipway");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that reads nothing may be gone before it was written to.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin);
        child.wait_with_output().await.expect("its output")
    }

    /// Begins a command that goes on for a while.
    #[must_use]
    pub fn begin(&self, arguments: &[&str]) -> BegunCommand {
        let output = Transcript::default();
        BegunCommand { child: output.of(self.command_of(arguments)), output }
    }

    fn command_of(&self, arguments: &[&str]) -> Command {
        let mut command = self.setup.command();
        command.args(arguments).env("SLIPWAY_URL", &self.url);
        if let Some(token) = &self.token {
            command.env("SLIPWAY_TOKEN", token);
        }
        command
    }
}

/// A command of the command line that goes on.
#[derive(Debug)]
pub struct BegunCommand {
    child: Child,
    output: Transcript,
}

impl BegunCommand {
    /// Waits until it has said a text.
    ///
    /// # Panics
    /// When it does not.
    pub async fn says(&self, text: &str) {
        until(text, START, async || self.output.text().contains(text).then_some(())).await;
    }

    /// Waits for its end, which must be a good one; what it said.
    ///
    /// # Panics
    /// When it fails, or does not end.
    pub async fn ends(mut self) -> String {
        let status = timeout(END, self.child.wait()).await.expect("an end in time").expect("an exit status");
        assert!(status.success(), "{status}: {}", self.output.text());
        self.output.text()
    }
}

/// The binary in this folder, with none of the product's variables.
pub(crate) fn slipway_command(folder: &Path) -> Command {
    let mut command = Command::new(binary());
    command.current_dir(folder).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SLIPWAY_") {
            command.env_remove(name);
        }
    }
    command
}

impl Transcript {
    /// Starts a process and takes down all that it writes.
    pub(crate) fn of(&self, mut command: Command) -> Child {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary slipway");
        self.follow(child.stdout.take().expect("a pipe"));
        self.follow(child.stderr.take().expect("a pipe"));
        child
    }

    pub(crate) fn text(&self) -> String {
        self.0.borrow().clone()
    }

    fn token(&self) -> Option<String> {
        let text = self.text();
        text.lines().map(str::trim).find(|line| line.starts_with("slipway_")).map(str::to_owned)
    }

    fn follow(&self, pipe: impl AsyncRead + Send + Unpin + 'static) -> tokio::task::JoinHandle<()> {
        let all = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                all.send_modify(|text| {
                    text.push_str(&line);
                    text.push('\n');
                });
            }
        })
    }
}

fn ready_url(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("(listening on ")?;
    let (address, _) = rest.split_once(")\n")?;
    Some(format!("http://{address}"))
}

/// The binary beside this test's own. It is built here only when a source is newer, as when one test is run alone.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().expect("the test's own path");
        let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
        let binary = profile.join("slipway");
        if !is_fresh(&binary) {
            let mut build = std::process::Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            build.args(["build", "--quiet", "--workspace", "--bin", "slipway"]);
            build.env("CARGO_TARGET_DIR", profile.parent().expect("target"));
            // What cargo says of this package here would have it compile ring, and all that is built upon it, once more.
            for (name, _) in std::env::vars_os() {
                if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.to_string_lossy().starts_with(start)) {
                    build.env_remove(name);
                }
            }
            if profile.ends_with("release") {
                // What `cargo bench` has compiled already; the profile `release` would compile all of it once more.
                build.args(["--profile", "bench"]);
            }
            assert!(build.status().expect("cargo").success(), "the binary slipway does not build");
        }
        binary
    })
}

fn is_fresh(binary: &Path) -> bool {
    let Ok(built) = std::fs::metadata(binary).and_then(|found| found.modified()) else { return false };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let sources = ["Cargo.lock", "server", "runner", "web", "pipelines", "migrations"];
    sources.iter().all(|part| newest(&root.join(part)).is_none_or(|changed| changed <= built))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let own = std::fs::metadata(path).and_then(|found| found.modified()).ok();
    let children = std::fs::read_dir(path).into_iter().flatten().flatten();
    children.filter_map(|child| newest(&child.path())).chain(own).max()
}
