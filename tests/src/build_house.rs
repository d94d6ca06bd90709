//! A whole house for builds: a git server, a registry, the engine, a runner, and the model of a server over it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use slipway_pipelines::plan::PullRequest;
use slipway_runner::{
    AtShutdown, RunnerConfig, RunnerLimits, StorageLimits,
    coordinator::{
        Artifact, BuildSource, BuildTask, BuildWork, JobResult, RegistryCredential, SecretValue, TimeLimit, Work,
    },
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{self, Sweep},
    git_server::{GitRepository, GitServer},
    registry::RegistryFixture,
    server_model::{JobRecord, ServerModel, StepRecord},
    wait::until_none,
};

/// How long a build may take on a machine that has much else to do.
const BUILD_LIMIT: Duration = Duration::from_secs(120);
/// How long removals may take after a build.
const CLEAN_LIMIT: Duration = Duration::from_secs(30);

/// The house. A runner is started with the first build.
pub struct BuildHouse {
    /// The git server.
    pub git: GitServer,
    /// The repository `shop/<unique>` on it.
    pub repository: GitRepository,
    /// The image registry.
    pub registry: RegistryFixture,
    /// The logins that jobs are given.
    pub credentials: Vec<RegistryCredential>,
    /// The secrets that jobs are given.
    pub secrets: Vec<SecretValue>,
    /// From where it is measured what the next builds change.
    pub before: Option<String>,
    /// The pull request whose merge the next builds are of.
    pub pull_request: Option<PullRequest>,
    /// The server's model.
    pub server: Arc<ServerModel>,
    /// The runner's settings; change them before the first build.
    pub config: RunnerConfig,
    /// How long a lease holds, in milliseconds.
    pub lease_ms: u64,
    /// How long a build may take; none for as long as it likes.
    pub time_limit: Option<TimeLimit>,
    name: String,
    builds: i64,
    runner: Option<Runner>,
    // Dropped last, in this order: what the runner made on the engine, then its folder.
    _sweep: Sweep,
    _data: TempDir,
}

struct Runner {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl BuildHouse {
    /// A house whose registry asks for no login.
    pub async fn new() -> Self {
        Self::with(RegistryFixture::open().await).await
    }

    /// A house whose registry asks for a login, which jobs are given.
    pub async fn protected() -> Self {
        Self::with(RegistryFixture::protected().await).await
    }

    async fn with(registry: RegistryFixture) -> Self {
        let id = ulid::Ulid::generate().to_string().to_lowercase();
        let git = GitServer::start().await;
        let data = TempDir::new().expect("a temporary directory");
        let name = format!("shop/{id}");
        BuildHouse {
            repository: git.repository(&id),
            credentials: registry.credentials(),
            secrets: Vec::new(),
            before: None,
            pull_request: None,
            server: ServerModel::new(),
            config: RunnerConfig {
                id: id.clone(),
                name: "test".to_owned(),
                data_dir: data.path().to_owned(),
                capacity: 2,
                labels: BTreeMap::new(),
                builds_only: false,
                internal_hosts: Vec::new(),
                step_hosts: Vec::new(),
                docker_host: None,
                proxy: None,
                at_shutdown: AtShutdown::HandBack,
                limits: RunnerLimits {
                    claim_wait: Duration::from_secs(5),
                    storage: StorageLimits { failed_builds: 0, ..StorageLimits::default() },
                    ..RunnerLimits::default()
                },
            },
            lease_ms: 60_000,
            time_limit: None,
            builds: 0,
            runner: None,
            _sweep: Sweep { runner: id, repository: name.clone() },
            _data: data,
            git,
            registry,
            name,
        }
    }

    /// The repository's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of an image in the registry, without a tag.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        self.registry.image(name)
    }

    /// Where the runner keeps its checkouts.
    #[must_use]
    pub fn workspaces(&self) -> PathBuf {
        self.config.data_dir.join("workspaces")
    }

    /// Commits to main what every build needs, `captain.yml` with `IMAGE` replaced by the image's name, and more files.
    pub fn commit(&self, captain: &str, files: &[(&str, &str)]) -> String {
        let captain = captain.replace("IMAGE", &self.image("web"));
        let mut all = vec![("captain.yml", captain.as_str()), ("Dockerfile", "FROM busybox:latest\nCOPY . /app\n")];
        all.extend_from_slice(files);
        self.repository.commit("main", &all)
    }

    /// Queues the build of a commit on main, and returns its job's id.
    pub fn queue(&mut self, commit: &str) -> String {
        self.queue_ref("refs/heads/main", commit)
    }

    /// Queues the build of a commit on a ref.
    pub fn queue_ref(&mut self, git_ref: &str, commit: &str) -> String {
        let url = self.repository.url().to_owned();
        self.queue_from(&url, git_ref, commit)
    }

    /// Queues the build of a commit fetched from somewhere else.
    pub fn queue_from(&mut self, clone_url: &str, git_ref: &str, commit: &str) -> String {
        self.start_runner();
        self.builds += 1;
        let job = ulid::Ulid::generate().to_string();
        let work = Work::Build(BuildWork {
            build: format!("build-{}", self.builds),
            number: self.builds,
            repository: self.config.id.clone(),
            repository_name: self.name.clone(),
            clone_url: clone_url.to_owned(),
            default_branch: "main".to_owned(),
            git_ref: git_ref.to_owned(),
            commit: commit.to_owned(),
            event: if self.pull_request.is_some() { "pull_request" } else { "push" }.to_owned(),
            before: self.before.clone(),
            author: "Ada <ada@example.com>".to_owned(),
            message: "A change".to_owned(),
            source: BuildSource::Own,
            task: BuildTask::Build,
            known: Vec::new(),
            time_limit: self.time_limit,
            pull_request: self.pull_request.clone(),
            earlier: None,
            witness: None,
            signing_key: None,
            has_login: false,
        });
        self.server.queue_with(&job, self.lease_ms, work, self.credentials.clone(), self.secrets.clone());
        job
    }

    /// Builds a commit on main and waits for its end.
    pub async fn build(&mut self, commit: &str) -> Build {
        let job = self.queue(commit);
        self.ended(&job).await
    }

    /// Waits for the end of a build.
    pub async fn ended(&self, job: &str) -> Build {
        Build(self.server.wait_for(job, BUILD_LIMIT, |record| record.result.is_some()).await)
    }

    /// Waits until a step's log contains a text.
    pub async fn logged(&self, job: &str, text: &str) {
        let logged = |record: &JobRecord| record.steps.values().any(|step| step.text().contains(text));
        self.server.wait_for(job, BUILD_LIMIT, logged).await;
    }

    /// Starts the runner, if it is not running.
    pub fn start_runner(&mut self) {
        if self.runner.is_some() {
            return;
        }
        let shutdown = CancellationToken::new();
        let running = slipway_runner::run(self.config.clone(), self.server.clone(), shutdown.clone());
        let task = tokio::spawn(async move { running.await.expect("the runner runs until it is told to stop") });
        self.runner = Some(Runner { shutdown, task });
    }

    /// Shuts the runner down and waits for its end.
    pub async fn stop_runner(&mut self) {
        if let Some(runner) = self.runner.take() {
            runner.shutdown.cancel();
            runner.task.await.expect("the runner ends without a panic");
        }
    }

    /// Waits until the runner has left nothing of its builds: no container, no network, no checkout.
    ///
    /// # Panics
    /// When something stays.
    pub async fn leaves_nothing(&self) {
        engine::wait_until_clean(&self.config.id, CLEAN_LIMIT).await;
        until_none("the checkouts to go", CLEAN_LIMIT, async || self.checkouts()).await;
    }

    fn checkouts(&self) -> Vec<PathBuf> {
        let entries = |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        entries(self.workspaces()).flat_map(entries).collect()
    }

    /// The digest that the registry holds under a tag; none if it does not know it.
    pub async fn pushed(&self, image: &str) -> Option<String> {
        let registry = slipway_runner::registry::Registry::new(&self.credentials);
        registry.digest(image).await.expect("the registry answers")
    }
}

impl Drop for BuildHouse {
    fn drop(&mut self) {
        if let Some(runner) = self.runner.take() {
            runner.shutdown.cancel();
            runner.task.abort();
        }
    }
}

/// A build that has ended.
#[derive(Debug, Clone)]
pub struct Build(pub JobRecord);

impl Build {
    /// What was pushed.
    ///
    /// # Panics
    /// When the build did not succeed.
    #[must_use]
    pub fn artifacts(&self) -> &[Artifact] {
        match &self.0.result {
            Some(JobResult::Built { artifacts, .. }) => artifacts,
            _ => panic!("the build did not succeed: {:#?}", self.0),
        }
    }

    /// Why it failed.
    ///
    /// # Panics
    /// When it did not fail.
    #[must_use]
    pub fn failure(&self) -> &str {
        match &self.0.result {
            Some(JobResult::Failed { reason }) => reason,
            _ => panic!("the build did not fail: {:#?}", self.0),
        }
    }

    /// The step whose name contains `part`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn step(&self, part: &str) -> &StepRecord {
        let found = self.0.steps.values().find(|step| step.declaration.name.contains(part));
        found.unwrap_or_else(|| panic!("no step is named like `{part}`: {:#?}", self.0))
    }
}
