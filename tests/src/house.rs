//! The whole product as a user has it: the real binary with its runner, a git server, a registry, and Caddy.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use slipway_runner::coordinator::RegistryCredential;

use crate::{
    api::{Answer, http_client},
    caddy::CaddyFixture,
    databases::TestDatabase,
    engine::{Sweep, docker},
    forge::{Push, Webhook},
    git_server::{GitRepository, GitServer},
    processes::dockerfile_commands,
    registry::RegistryFixture,
    remote_runner::RemoteRunner,
    slipway::{Setup, Slipway},
    wait::{until, until_none},
};

/// How long a build or a rollout may take on a machine that has much else to do.
pub const LONG: Duration = Duration::from_secs(120);

/// How long it may take until what is not needed any more is gone.
const TIDY: Duration = Duration::from_secs(90);

/// Whom `kill -9` meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The server and its runner: of one process, or of two.
    Both,
    /// The server alone, whose runner is another process.
    Server,
    /// That runner alone.
    Runner,
}

/// Everything that a release passes through. What it made is swept away when it is dropped.
pub struct House {
    /// The server.
    pub slipway: Slipway,
    /// The image registry.
    pub registry: RegistryFixture,
    /// The proxy in front of the releases.
    pub caddy: CaddyFixture,
    /// The git server.
    pub git_server: GitServer,
    /// The connected repository on it.
    pub git: GitRepository,
    /// The connected repository's webhook.
    pub webhook: Webhook,
    runner: String,
    workspaces: Vec<PathBuf>,
    /// The runners in processes of their own; none where the server has one within.
    pub runners: Vec<RemoteRunner>,
    // Behind the server, which must be gone before what it made is swept away.
    sweep: Sweep,
    database: TestDatabase,
}

impl House {
    /// A house on SQLite, whose registry asks for no login.
    pub async fn open() -> Self {
        Self::on(TestDatabase::sqlite()).await
    }

    /// A house on this database, whose registry asks for no login.
    pub async fn on(database: TestDatabase) -> Self {
        Self::furnished(database, RegistryFixture::open().await, Setup::new()).await
    }

    /// A house with all that can be chosen.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn furnished(database: TestDatabase, registry: RegistryFixture, setup: Setup) -> Self {
        let (caddy, git_server) = tokio::join!(CaddyFixture::launch(), GitServer::start());
        let git = git_server.repository("web");
        let setup = setup.with_runner().with("SLIPWAY_DATABASE", database.url());
        let setup = caddy.variables().iter().fold(setup, |setup, (name, value)| setup.with(name, value));
        let slipway = setup.start().await;
        // A name of this house's own: images are swept by it.
        let repository = format!("{}/web", registry.host().replace(['.', ':'], "-"));
        let runner = std::fs::read_to_string(slipway.data_dir().join("runner/id")).expect("the runner's identity");
        let sweep = Sweep { runner: runner.clone(), repository: repository.clone() };
        let webhook = slipway.connect(&repository, git.url()).await;
        let workspaces = vec![slipway.data_dir().join("runner/workspaces")];
        let runners = Vec::new();
        House { slipway, registry, caddy, git_server, git, webhook, runner, workspaces, runners, sweep, database }
    }

    /// A house whose server has no runner within: the runner `one`, in a process of its own, takes everything. It
    /// reaches the server at `address`, which is made of the server's own.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn remote(database: TestDatabase, setup: Setup, address: impl AsyncFnOnce(&str) -> String) -> Self {
        Self::remote_furnished(database, RegistryFixture::open().await, setup, &[], address).await
    }

    /// The same with this registry and these variables of the runner's.
    ///
    /// # Panics
    /// When a part does not start.
    pub async fn remote_furnished(
        database: TestDatabase,
        registry: RegistryFixture,
        setup: Setup,
        variables: &[(&str, &str)],
        address: impl AsyncFnOnce(&str) -> String,
    ) -> Self {
        let (caddy, git_server) = tokio::join!(CaddyFixture::launch(), GitServer::start());
        let git = git_server.repository("web");
        let slipway = setup.with("SLIPWAY_DATABASE", database.url()).start().await;
        let repository = format!("{}/web", registry.host().replace(['.', ':'], "-"));
        let webhook = slipway.connect(&repository, git.url()).await;
        let address = address(slipway.url()).await;
        let runner = RemoteRunner::admit(&slipway, "one", &[]).await.with("SLIPWAY_RUNNER_SERVER", &address);
        let runner = variables.iter().fold(runner, |runner, (name, value)| runner.with(name, value));
        let mut runner = caddy.variables().iter().fold(runner, |runner, (name, value)| runner.with(name, value));
        runner.start(&slipway).await;
        let id = runner.id.clone();
        let sweep = Sweep { runner: id.clone(), repository };
        let workspaces = vec![runner.data_dir().join("workspaces")];
        let runners = vec![runner];
        House { slipway, registry, caddy, git_server, git, webhook, runner: id, workspaces, runners, sweep, database }
    }

    /// Another runner of a remote house, for builds alone.
    pub async fn another_runner(&mut self, name: &str, labels: &[(&str, &str)]) {
        let mut runner = RemoteRunner::admit(&self.slipway, name, labels).await;
        runner.start(&self.slipway).await;
        self.workspaces.push(runner.data_dir().join("workspaces"));
        self.runners.push(runner);
    }

    /// Another runner of a remote house, behind the same proxy: it takes everything, too.
    pub async fn another_host(&mut self, name: &str) {
        let runner = RemoteRunner::admit(&self.slipway, name, &[]).await;
        let variables = self.caddy.variables();
        let mut runner = variables.iter().fold(runner, |runner, (name, value)| runner.with(name, value));
        runner.start(&self.slipway).await;
        self.workspaces.push(runner.data_dir().join("workspaces"));
        self.runners.push(runner);
    }

    /// Kills a part of the house as `kill -9` does.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self, victim: Victim) {
        if victim != Victim::Runner {
            self.slipway.kill().await;
        }
        if victim != Victim::Server {
            for runner in &mut self.runners {
                runner.kill().await;
            }
        }
    }

    /// Starts again what was killed.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start_again(&mut self, victim: Victim) {
        if victim != Victim::Runner {
            self.slipway.restart().await;
        }
        if victim != Victim::Server {
            for runner in &mut self.runners {
                runner.start(&self.slipway).await;
            }
        }
    }

    /// The runner's id: of the one within, or of the first in a process of its own.
    #[must_use]
    pub fn runner(&self) -> &str {
        &self.runner
    }

    /// The name of the repository's image, without a tag.
    #[must_use]
    pub fn image(&self) -> String {
        self.registry.image("shop/web")
    }

    /// Commits files to a branch and sends the push; answers with the build's number.
    ///
    /// # Panics
    /// When no build comes of it.
    pub async fn push(&self, branch: &str, files: &[(&str, &str)]) -> i64 {
        let commit = self.git.commit(branch, files);
        self.announce(branch, &commit).await
    }

    /// Sends the push of a commit; answers with the build's number.
    ///
    /// # Panics
    /// When no build comes of it.
    pub async fn announce(&self, branch: &str, commit: &str) -> i64 {
        let push = Push::to_branch(&self.webhook.repository, branch, commit);
        let answer = push.delivery().send(&self.webhook).await.expect(202);
        answer.json()["build"].as_i64().expect("a build")
    }

    /// What the API says of a path below the repository.
    pub async fn ask(&self, path: &str) -> Answer {
        self.slipway.api().get(&format!("/api/v1/repositories/{}/{path}", self.webhook.repository)).await
    }

    /// A build as the API has it.
    pub async fn build(&self, number: i64) -> Value {
        self.ask(&format!("builds/{number}")).await.expect(200).json()
    }

    /// Waits until a build is over, and expects this end.
    ///
    /// # Panics
    /// When it ends otherwise, or not at all.
    pub async fn build_in(&self, number: i64, state: &str) -> Value {
        let build = until(&format!("build {number} to be over"), LONG, async || {
            let build = self.build(number).await;
            is_over(&build).then_some(build)
        })
        .await;
        assert_eq!(build["state"], state, "{build:#}\n{}", self.slipway.output());
        build
    }

    /// A release as the API has it; none when there is no such release yet.
    pub async fn release(&self, environment: &str, number: i64) -> Option<Value> {
        let answer = self.ask(&format!("environments/{environment}/releases/{number}")).await;
        (answer.status == 200).then(|| answer.json())
    }

    /// Waits until a release is live.
    ///
    /// # Panics
    /// When it fails, or does not get there in time.
    pub async fn live(&self, environment: &str, number: i64) -> Value {
        until(&format!("release {number} of {environment} to be live"), LONG, async || {
            let found = self.release(environment, number).await?;
            assert_ne!(found["state"], "failed", "{found:#}\n{}", self.slipway.output());
            (found["state"] == "live").then_some(found)
        })
        .await
    }

    /// Asks a release by its domain, through Caddy.
    ///
    /// # Panics
    /// When it does not serve.
    pub async fn visit(&self, domain: &str) -> String {
        let request = http_client().get(format!("{}/", self.caddy.url())).header("host", domain);
        Answer::of(request.send().await.expect("an answer")).await.expect(200).body
    }

    /// What a build's page says of how it ended, or why it waits.
    ///
    /// # Panics
    /// When it says nothing of it.
    pub async fn reason_on_page(&self, number: i64) -> String {
        let path = format!("/repositories/{}/builds/{number}", self.webhook.repository);
        let page = self.slipway.api().with("accept", "text/html").get(&path).await.expect(200).body;
        let (_, rest) = page.split_once("id=\"reason\"").expect("a reason on the page");
        let (reason, _) = rest.split_once("</div>").expect("the end of the reason");
        reason.to_owned()
    }

    /// Waits until the latest attempt of a build has a running step of this kind whose name contains `name`.
    ///
    /// # Panics
    /// When the build is over before.
    pub async fn step_runs(&self, number: i64, kind: &str, name: &str) -> i64 {
        until(&format!("the {kind} step {name} to run"), LONG, async || {
            let build = self.build(number).await;
            assert!(!is_over(&build), "it was over before: {build:#}\n{}", self.slipway.output());
            let steps = build["attempts"].as_array()?.last()?["steps"].as_array()?;
            let found = steps.iter().find(|step| {
                step["kind"] == kind
                    && step["state"] == "running"
                    && step["name"].as_str().is_some_and(|text| text.contains(name))
            })?;
            found["index"].as_i64()
        })
        .await
    }

    /// The log of one step of one attempt of what is at `path`, below the repository.
    ///
    /// # Panics
    /// When a line is missing, doubled or out of order.
    pub async fn log(&self, path: &str, attempt: i64, index: i64) -> Vec<String> {
        let path =
            format!("/api/v1/repositories/{}/{path}/steps/{index}/log?attempt={attempt}", self.webhook.repository);
        let api = self.slipway.api().with("accept", "application/x-ndjson");
        let body = api.get(&path).await.expect(200).body;
        let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
        for (at, line) in (1_i64..).zip(&lines) {
            assert_eq!(line["line"], at, "the log {path} has a gap or a double: {body}");
        }
        lines.iter().map(|line| line["text"].as_str().expect("a text").to_owned()).collect()
    }

    /// The digest that the registry holds under a tag of the repository's image.
    ///
    /// # Panics
    /// When the registry does not answer.
    pub async fn pushed(&self, tag: &str, credentials: &[RegistryCredential]) -> Option<String> {
        let registry = slipway_runner::registry::Registry::new(credentials);
        registry.digest(&format!("{}:{tag}", self.image())).await.expect("the registry answers")
    }

    /// The complete checkouts of builds.
    #[must_use]
    pub fn checkouts(&self) -> Vec<PathBuf> {
        let lives = self.workspaces.iter().flat_map(|path| entries(path));
        lives.flat_map(|life| entries(&life)).filter(|path| path.extension().is_none()).collect()
    }

    /// The names of the running containers of releases.
    #[must_use]
    pub fn released_containers(&self) -> Vec<String> {
        self.running("release")
    }

    /// The names of the running containers of builds.
    #[must_use]
    pub fn step_containers(&self) -> Vec<String> {
        self.running("step")
    }

    fn running(&self, kind: &str) -> Vec<String> {
        let runner = format!("label=slipway.runner={}", self.runner);
        docker(&["ps", "--format", "{{.Names}}", "--filter", &runner, "--filter", &format!("label=slipway={kind}")])
    }

    /// Waits until nothing is left of any build: of what carries this house's labels, only `containers` of releases are
    /// there, with the network of their environment, and caches; no checkout, and no half of one; no entry of a runner's
    /// journal; no leased job, and no message that waits to be sent.
    ///
    /// # Panics
    /// When something stays.
    pub async fn is_tidy(&self, containers: usize) {
        until_none("a tidy house", TIDY, async || self.left(containers).await).await;
    }

    async fn left(&self, containers: usize) -> Vec<String> {
        let runner = format!("label=slipway.runner={}", self.runner);
        let source = format!("label=slipway.source={}", self.sweep.repository);
        let mark = format!(":{}.", &self.runner[self.runner.len() - 10..].to_lowercase());
        let step = "label=slipway=step";
        let mut left = docker(&["ps", "-a", "--format", "container {{.Names}}", "-f", &runner, "-f", step]);
        left.extend(docker(&[
            "network",
            "ls",
            "--format",
            "network {{.Name}}",
            "-f",
            &runner,
            "-f",
            "label=slipway=network",
        ]));
        let volumes = ["volume", "ls", "--format", "volume {{.Name}}", "-f", &runner, "-f", "label=slipway=volume"];
        left.extend(docker(&volumes));
        let named = docker(&["images", "--format", "image {{.Repository}}:{{.Tag}}", "-f", "reference=slipway-*"]);
        left.extend(named.into_iter().filter(|name| name.contains(&mark)));
        // Those that were pushed are named by their digest, and kept for rollbacks.
        let nameless =
            ["images", "--digests", "--format", "{{.Digest}} image {{.ID}}", "-f", &source, "-f", "dangling=true"];
        left.extend(docker(&nameless).into_iter().filter(|image| image.starts_with("<none>")));
        let released =
            docker(&["ps", "-a", "--format", "{{.Names}} {{.State}}", "-f", &runner, "-f", "label=slipway=release"]);
        if released.len() != containers || released.iter().any(|container| !container.ends_with(" running")) {
            left.push(format!("{containers} running containers of releases are wanted, there are {released:?}"));
        }
        let lives = self.workspaces.iter().flat_map(|path| entries(path));
        let journals = self.workspaces.iter().map(|path| path.with_file_name("jobs"));
        let files = lives.chain(journals).flat_map(|folder| entries(&folder));
        left.extend(files.map(|path| path.display().to_string()));
        left.extend(dockerfile_commands(&self.registry.host()));
        left.extend(self.under_way().await);
        left
    }

    async fn under_way(&self) -> Vec<String> {
        use slipway_server::{clock::SystemClock, notifications::NotificationState, store};
        let store = store::Store::open(self.database.url(), std::sync::Arc::new(SystemClock)).await.expect("the store");
        let (jobs, messages) = {
            let mut reader = store.read().await.expect("a reader");
            let jobs = store::jobs::leased(&mut reader.conn()).await.expect("the leased jobs");
            let messages = store::notifications::list(&mut reader.conn(), None, 1_000).await.expect("the messages");
            (jobs, messages)
        };
        store.close().await;
        let jobs = jobs.iter().map(|job| format!("leased job {} ({})", job.id, job.kind));
        let unsent = messages.iter().filter(|message| message.state == NotificationState::Waiting);
        jobs.chain(unsent.map(|message| format!("message {} of event {}", message.id, message.event_id))).collect()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Whether nothing more happens to a build.
#[must_use]
pub fn is_over(build: &Value) -> bool {
    build["state"] != "queued" && build["state"] != "running"
}
