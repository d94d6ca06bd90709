//! A runner in a process of its own, as on another machine: started, asked to end, killed, started again.

use std::{path::PathBuf, process::ExitStatus, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{
    engine::Sweep,
    slipway::{Slipway, Transcript, slipway_command},
    wait::until,
};

/// How long it may take to be heard of, on a busy machine, or to end once it has nothing to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A runner's process with its folder. Dropped, it is killed, and what it made on the engine is removed.
#[derive(Debug)]
pub struct RemoteRunner {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its token.
    pub token: String,
    variables: Vec<(String, String)>,
    child: Option<Child>,
    output: Transcript,
    // Behind the process, which must be gone before what it made is swept away.
    _sweep: Sweep,
    data: TempDir,
}

impl RemoteRunner {
    /// Admits a runner at the server, and does not start it yet.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn admit(slipway: &Slipway, name: &str, labels: &[(&str, &str)]) -> Self {
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let made = slipway.api().post("/api/v1/runners", &json!({"name": name, "labels": labels})).await.expect(201);
        let made = made.json();
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        let id = text("id");
        RemoteRunner {
            name: name.to_owned(),
            token: text("token"),
            variables: vec![
                ("SLIPWAY_RUNNER_SERVER".to_owned(), slipway.url().to_owned()),
                ("SLIPWAY_RUNNER_TOKEN".to_owned(), text("token")),
                ("SLIPWAY_RUNNER_FAILED_BUILDS".to_owned(), "0".to_owned()),
            ],
            child: None,
            output: Transcript::default(),
            _sweep: Sweep { runner: id.clone(), repository: format!("none/{id}") },
            data: tempfile::tempdir().expect("a temporary directory"),
            id,
        }
    }

    /// With an environment variable; a later one of a name goes over an earlier one.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts its process.
    ///
    /// # Panics
    /// When it cannot be started, or runs already.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let mut command = slipway_command(self.data.path());
        command.arg("runner").env("SLIPWAY_DATA_DIR", self.data_dir()).envs(self.variables.iter().cloned());
        self.child = Some(self.output.of(command));
    }

    /// Starts it, and waits until the server has heard of this life.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn start(&mut self, slipway: &Slipway) {
        self.launch();
        until(&format!("the runner {}", self.name), PATIENCE, async || {
            (self.state(slipway).await == "present").then_some(())
        })
        .await;
    }

    /// Where the server says that it stands.
    ///
    /// # Panics
    /// When the server does not know it.
    pub async fn state(&self, slipway: &Slipway) -> String {
        let runners = slipway.api().get("/api/v1/runners").await.expect(200).json();
        let all = runners["items"].as_array().expect("a list");
        let own = all.iter().find(|runner| runner["id"] == self.id.as_str()).expect("the runner");
        own["state"].as_str().expect("a state").to_owned()
    }

    /// Where its data is.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("runner")
    }

    /// Everything that it wrote, in all its lives.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Waits until its output holds a text.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn says(&self, text: &str) {
        until(text, PATIENCE, async || self.output().contains(text).then_some(())).await;
    }

    /// Kills it as `kill -9` does.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        self.child.take().expect("a running process").kill().await.expect("to kill it");
    }

    /// Asks it to end, as a service manager does, and goes on at once.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn ask_to_end(&self) {
        let pid = self.child.as_ref().and_then(Child::id).expect("a running process");
        let sent = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await;
        assert!(sent.expect("the command kill").success(), "SIGTERM was not sent");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ends(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running process");
        let ended = timeout(PATIENCE, child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not end: {}", self.output())).expect("an exit status")
    }
}
