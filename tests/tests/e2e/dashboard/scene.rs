//! A server with a shop in it: builds, logs, releases, and the test in the runner's place.

use std::{collections::BTreeMap, sync::Arc};

use reqwest::{Client, Response, header, redirect::Policy};
use slipway_pipelines::{
    config::{Environment, Source},
    plan::ReleasePlan,
    release::ReleaseSettings,
};
use slipway_runner::coordinator::{
    Artifact, ClaimReply, ClaimRequest, Coordinator as _, Hello, JobResult, LeaseKey, LogChunk, LogLine, LogStream,
    Measure, PROTOCOL, Reading, Readings, StepDeclaration, StepKind, StepOutcome, StepResult,
};
use slipway_server::{
    access::FirstToken,
    app::App,
    builds::{Created, NewBuild, create},
    config::{Config, Overrides},
    deliveries::Proposer,
    ids::RepositoryId,
    intake::{Intake, NewDelivery, Verdict},
    queue::{NoCredentials, ServerCoordinator, Timing},
    releases::{By, promote},
    store::{
        Db, Store,
        repositories::{self, NewRepository, Repository},
    },
};
use tempfile::TempDir;

const RUNNER: &str = "01J0000000000000000000000R";

/// The server and what stands in for its runner.
pub(crate) struct Scene {
    app: App,
    store: Store,
    runner: ServerCoordinator,
    shop: Repository,
    _data: TempDir,
}

impl Scene {
    /// A server that anyone may read, with the repository `acme/shop` and a runner for two jobs.
    pub(super) async fn new() -> Scene {
        Self::open_to(true).await
    }

    /// The same, closed to strangers.
    pub(crate) async fn closed() -> Scene {
        Self::open_to(false).await
    }

    async fn open_to(strangers: bool) -> Scene {
        let data = tempfile::tempdir().unwrap();
        let overrides = Overrides {
            listen: Some("127.0.0.1:0".parse().unwrap()),
            data_dir: Some(data.path().join("data")),
            public_read: Some(strangers),
            runner_enabled: Some(false),
            ..Overrides::default()
        };
        let app = App::start(Config::without_file(overrides).unwrap()).await.unwrap();
        let store = app.state().store.clone();
        let shop = connect(&store, "acme/shop").await;
        let runner = ServerCoordinator::new(store.clone(), Arc::new(NoCredentials), Timing::default());
        let hello = Hello {
            runner: RUNNER.to_owned(),
            name: "embedded".to_owned(),
            incarnation: "first".to_owned(),
            capacity: 2,
            version: "0.1.0".to_owned(),
            resuming: vec![],
            protocol: PROTOCOL,
            labels: BTreeMap::new(),
            builds_only: false,
        };
        runner.register(hello).await.unwrap();
        Scene { app, store, runner, shop, _data: data }
    }

    /// Connects another repository.
    pub(super) async fn connect(&self, name: &str) {
        connect(&self.store, name).await;
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.address())
    }

    /// The administrator's token.
    pub(crate) fn token(&self) -> String {
        let FirstToken::Made(token) = self.app.first_token() else { panic!("this start made no token") };
        token.reveal().to_owned()
    }

    /// A page as a browser without JavaScript gets it.
    pub(super) async fn get(&self, path: &str) -> Response {
        client().get(self.url(path)).header(header::ACCEPT, "text/html").send().await.unwrap()
    }

    /// The text of a page that must be there.
    pub(super) async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.text().await.unwrap()
    }

    /// Opens a session as the login page does; returns its cookie.
    pub(super) async fn log_in(&self) -> String {
        let form = format!("token={}&next=/", self.token());
        let response = self.post("/login", &form, None).await;
        assert_eq!(response.status(), 303);
        let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Posts a form as a page of this server does.
    pub(super) async fn post(&self, path: &str, form: &str, cookie: Option<&str>) -> Response {
        let mut request = client()
            .post(self.url(path))
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .body(form.to_owned());
        if let Some(cookie) = cookie {
            request = request.header(header::COOKIE, cookie);
        }
        request.send().await.unwrap()
    }

    /// Queues a build of a branch.
    pub(crate) async fn push(&self, branch: &str, commit: u8, message: &str) -> i64 {
        let new = NewBuild {
            repository: self.shop.id.clone(),
            event: "push".to_owned(),
            git_ref: format!("refs/heads/{branch}"),
            commit_sha: hash(commit, message)[..40].to_owned(),
            message: message.to_owned(),
            author: "Ana Pereira".to_owned(),
            pusher: String::new(),
            before: None,
            pull_request: None,
            proposer: Proposer::default(),
            supersede: false,
            asked_for: false,
        };
        let mut tx = self.store.write().await.unwrap();
        let created = create(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        match created {
            Created::Queued(build) => build.number,
            other => panic!("nothing was queued: {other:?}"),
        }
    }

    /// Takes the next job.
    pub(super) async fn claim(&self) -> LeaseKey {
        let request = ClaimRequest {
            runner: RUNNER.to_owned(),
            incarnation: "first".to_owned(),
            free: 1,
            holding: vec![],
            wait_ms: 0,
            draining: false,
            hindrance: None,
        };
        match self.runner.claim(request).await.unwrap() {
            ClaimReply::Work { lease } => lease.key,
            other => panic!("no job: {other:?}"),
        }
    }

    /// Takes no job, as there is none for it.
    pub(super) async fn finds_no_job(&self) {
        let request = ClaimRequest {
            runner: RUNNER.to_owned(),
            incarnation: "first".to_owned(),
            free: 1,
            holding: vec![],
            wait_ms: 0,
            draining: false,
            hindrance: None,
        };
        let reply = self.runner.claim(request).await.unwrap();
        assert!(matches!(reply, ClaimReply::Idle), "{reply:?}");
    }

    /// A page as somebody who is logged in gets it.
    pub(super) async fn page_of(&self, path: &str, cookie: &str) -> String {
        let asking = client().get(self.url(path)).header(header::ACCEPT, "text/html").header(header::COOKIE, cookie);
        asking.send().await.unwrap().text().await.unwrap()
    }

    /// Ends a build well, with nothing made of it.
    pub(super) async fn succeed(&self, lease: &LeaseKey) {
        let built = JobResult::Built { artifacts: vec![], release_plan: ReleasePlan::default() };
        self.runner.finish_job(lease, built).await.unwrap();
    }

    /// Makes steps known: kind, app, name.
    pub(super) async fn declare(&self, lease: &LeaseKey, steps: &[(StepKind, &str, &str)]) {
        let steps = (0..).zip(steps).map(|(index, (kind, app, name))| StepDeclaration {
            index,
            app: (!app.is_empty()).then(|| (*app).to_owned()),
            kind: *kind,
            name: (*name).to_owned(),
            needs: (0..index).collect(),
            skipped: None,
            taken_over: false,
        });
        self.runner.declare_steps(lease, steps.collect()).await.unwrap();
    }

    /// Stores lines of a step's log; `seq` numbers the chunk, `first` its first line.
    pub(super) async fn log(&self, lease: &LeaseKey, step: u32, seq: i64, first: i64, lines: &[&str]) {
        self.log_at(lease, step, (seq, first), lines, |_| 0).await;
    }

    /// The same, with lines of other times: each in milliseconds from now on.
    pub(super) async fn log_at(
        &self,
        lease: &LeaseKey,
        step: u32,
        (seq, first): (i64, i64),
        lines: &[&str],
        after: impl Fn(i64) -> i64,
    ) {
        let now = self.store.clock().now();
        let line = |(index, text): (i64, &&str)| {
            let (stream, text) = match (text.strip_prefix("! "), text.strip_prefix("# ")) {
                (Some(text), _) => (LogStream::Err, text),
                (None, Some(text)) => (LogStream::Slipway, text),
                (None, None) => (LogStream::Out, *text),
            };
            LogLine { at: now + after(index), stream, text: text.to_owned() }
        };
        let chunk = LogChunk { seq, first_line: first, lines: (0..).zip(lines).map(line).collect() };
        self.runner.append_log(lease, step, chunk).await.unwrap();
    }

    /// Runs a step from its start to its good end.
    pub(super) async fn run(&self, lease: &LeaseKey, step: u32, lines: &[&str]) {
        self.runner.start_step(lease, step).await.unwrap();
        self.log(lease, step, 0, 1, lines).await;
        self.runner.finish_step(lease, step, ended(StepOutcome::Succeeded, None)).await.unwrap();
    }

    /// Starts a step.
    pub(super) async fn runner_starts(&self, lease: &LeaseKey, step: u32) {
        self.runner.start_step(lease, step).await.unwrap();
    }

    /// Ends a step.
    pub(super) async fn runner_ends(&self, lease: &LeaseKey, step: u32, result: StepResult) {
        self.runner.finish_step(lease, step, result).await.unwrap();
    }

    /// Changes rows behind the server's back, to give them a past.
    pub(super) async fn rewrite(&self, statement: &'static str) {
        let Db::Sqlite { write, .. } = self.store.db() else { panic!("the scene is on SQLite") };
        sqlx::query(statement).execute(write).await.unwrap();
    }

    /// Stops the server in good order.
    pub(crate) async fn stop(self) {
        self.app.stop().await;
    }

    /// Ends a step and its job as failed.
    pub(super) async fn fail(&self, lease: &LeaseKey, step: u32, reason: &str) {
        self.runner.finish_step(lease, step, ended(StepOutcome::Failed, Some(reason))).await.unwrap();
        self.runner.finish_job(lease, JobResult::Failed { reason: reason.to_owned() }).await.unwrap();
    }

    /// Builds a commit of main to its good end and brings it to dev.
    pub(crate) async fn ship(&self, commit: u8, message: &str) -> i64 {
        let number = self.push("main", commit, message).await;
        let lease = self.claim().await;
        self.declare(&lease, &SHOP_STEPS).await;
        for (index, lines) in (0..).zip(SHOP_LINES) {
            self.run(&lease, index, lines).await;
        }
        self.runner.finish_job(&lease, built(commit, message)).await.unwrap();
        self.roll_out().await;
        number
    }

    /// Lets the next rollout go live.
    pub(crate) async fn roll_out(&self) {
        let lease = self.claim().await;
        self.declare(&lease, &ROLLOUT_STEPS).await;
        for index in 0..3 {
            self.run(&lease, index, &["# 2 of 2 replicas are healthy"]).await;
        }
        self.runner.finish_job(&lease, JobResult::Live).await.unwrap();
    }

    /// Lets the next rollout fail.
    pub(super) async fn fail_rollout(&self, reason: &str) {
        let lease = self.claim().await;
        self.declare(&lease, &ROLLOUT_STEPS).await;
        self.run(&lease, 0, &["# 2 digests are in the registry"]).await;
        self.runner.start_step(&lease, 1).await.unwrap();
        self.log(&lease, 1, 0, 1, &["# asks http://10.0.3.7:8080/health", "! GET /health answered 503"]).await;
        self.fail(&lease, 1, reason).await;
    }

    /// Lets the next rollout fail as a canary: its first stage goes well, and in its second the answers are errors.
    pub(super) async fn fail_canary(&self, reason: &str) {
        let lease = self.claim().await;
        self.declare(&lease, &CANARY_STEPS).await;
        self.run(&lease, 0, &["# 2 digests are in the registry"]).await;
        self.runner.start_step(&lease, 1).await.unwrap();
        self.measure(&lease, 1, [380.0, 0.0, 231.0], [3_420.0, 0.0, 224.0]).await;
        self.log(&lease, 1, 0, 1, &["# watching for 5 min"]).await;
        self.runner.finish_step(&lease, 1, ended(StepOutcome::Succeeded, None)).await.unwrap();
        self.runner.start_step(&lease, 2).await.unwrap();
        self.measure(&lease, 2, [1_240.0, 7.5, 246.0], [1_238.0, 0.1, 219.0]).await;
        let taken = format!("# {reason}; the traffic is taken away from release 34");
        self.log(&lease, 2, 0, 1, &["# watching for 5 min", &taken]).await;
        self.runner.finish_step(&lease, 2, ended(StepOutcome::Failed, Some(reason))).await.unwrap();
        for skipped in 3..5 {
            let result = ended(StepOutcome::Skipped, Some("the rollout stopped before it"));
            self.runner.finish_step(&lease, skipped, result).await.unwrap();
        }
        self.run(&lease, 5, &["# shop.example.com now leads to 10.0.3.4:8080, 10.0.3.5:8080"]).await;
        self.runner.finish_job(&lease, JobResult::Failed { reason: reason.to_owned() }).await.unwrap();
    }

    /// Tells what was measured of a version and of the stable one: requests, the share of errors, the time of the slowest.
    async fn measure(&self, lease: &LeaseKey, step: u32, new: [f64; 3], stable: [f64; 3]) {
        let reading = |measure, replica, value, stable, limit| Reading {
            app: "web".to_owned(),
            measure,
            replica,
            value,
            stable,
            limit,
        };
        let readings = vec![
            reading(Measure::Requests, None, new[0], Some(stable[0]), None),
            reading(Measure::Errors, None, new[1], Some(stable[1]), Some(1.0)),
            reading(Measure::Latency, None, new[2], Some(stable[2]), Some(stable[2] * 2.0)),
            reading(Measure::Cpu, Some(1), 38.0, None, Some(90.0)),
            reading(Measure::Memory, Some(1), 61.0, None, Some(80.0)),
            reading(Measure::Ends, Some(1), 0.0, None, Some(0.0)),
            reading(Measure::FailedChecks, Some(1), 0.0, None, Some(2.0)),
        ];
        self.runner.report_readings(lease, step, Readings { readings }).await.unwrap();
    }

    /// Promotes what is live in the environment before.
    pub(crate) async fn promote(&self, environment: &str) {
        let mut tx = self.store.write().await.unwrap();
        promote(&mut tx, &self.shop, environment, By::name("administrator")).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Invites somebody; the answer is the link by which they set a password.
    pub(super) async fn invite(&self, name: &str, role: &str, repository: Option<&str>) -> String {
        let wanted = serde_json::json!({"name": name, "role": role, "repository": repository});
        let asked = client().post(self.url("/api/v1/users")).bearer_auth(self.token()).json(&wanted);
        let made: serde_json::Value = asked.send().await.unwrap().json().await.unwrap();
        made["link"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Stores a delivery that asks for nothing.
    pub(crate) async fn ping(&self) {
        let delivery = NewDelivery {
            repository: self.shop.id.clone(),
            forge_id: "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
            event: "ping".to_owned(),
            headers: BTreeMap::from([
                ("Content-Type".to_owned(), "application/json".to_owned()),
                ("User-Agent".to_owned(), "GitHub-Hookshot/044aadd".to_owned()),
            ]),
            payload: br#"{"zen": "<script>alert(1)</script>", "hook_id": 7}"#.to_vec().into(),
            verdict: Verdict::Ignored { reason: "a ping asks for nothing".to_owned() },
        };
        Intake::start(self.store.clone()).store(delivery).await.unwrap();
    }
}

pub(crate) fn client() -> Client {
    rustls_provider();
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// reqwest wants a TLS provider, though nothing here speaks TLS.
fn rustls_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

pub(super) fn ended(outcome: StepOutcome, reason: Option<&str>) -> StepResult {
    let exit_code = match outcome {
        StepOutcome::Succeeded => Some(0),
        StepOutcome::Failed => Some(1),
        StepOutcome::Skipped | StepOutcome::Cancelled => None,
    };
    StepResult { outcome, exit_code, reason: reason.map(str::to_owned), output: BTreeMap::new() }
}

pub(super) const SHOP_STEPS: [(StepKind, &str, &str); 8] = [
    (StepKind::Checkout, "", "main"),
    (StepKind::Pre, "web", "npm ci --no-audit --no-fund"),
    (StepKind::Pre, "worker", "docker run --rm -v ~/.m2:/root/.m2 -v \"$PWD\":/app -w /app maven:3.9 mvn -q package"),
    (StepKind::Build, "web", "registry.example.com/shop/web"),
    (StepKind::Build, "worker", "registry.example.com/shop/worker"),
    (StepKind::Test, "web", "docker run registry.example.com/shop/web npm test"),
    (StepKind::Push, "web", "registry.example.com/shop/web"),
    (StepKind::Push, "worker", "registry.example.com/shop/worker"),
];

const SHOP_LINES: [&[&str]; 8] = [
    &["# fetched 3 objects, 1.2 kB", "# checked out main"],
    &["added 212 packages in 4s"],
    &["[INFO] BUILD SUCCESS"],
    &["#5 [2/3] COPY . /app", "#6 exporting to image"],
    &["#5 [2/3] COPY . /app", "#6 exporting to image"],
    &["  \u{1b}[1mbasket\u{1b}[0m", "    \u{1b}[32m✔\u{1b}[0m \u{1b}[90mholds what was put in\u{1b}[0m"],
    &["# the registry confirms the digest"],
    &["# the registry confirms the digest"],
];

const ROLLOUT_STEPS: [(StepKind, &str, &str); 3] = [
    (StepKind::Preflight, "", "2 digests"),
    (StepKind::Roll, "web", "2 replicas"),
    (StepKind::Cleanup, "", "what was replaced"),
];

const CANARY_STEPS: [(StepKind, &str, &str); 6] = [
    (StepKind::Preflight, "", "Check every image and fetch what is missing"),
    (StepKind::Canary, "", "Try release 34 with 10 % of the traffic"),
    (StepKind::Canary, "", "Try release 34 with 50 % of the traffic"),
    (StepKind::Roll, "web", "web: 2 replicas of release 34"),
    (StepKind::Cleanup, "", "Remove what the release replaced"),
    (StepKind::Return, "", "Return to release 33"),
];

/// Digits that look like git's and the registry's, and are the same for the same content.
fn hash(commit: u8, of: &str) -> String {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(format!("{commit} {of}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn built(commit: u8, message: &str) -> JobResult {
    let artifact = |app: &str, content: u8, size: i64| Artifact {
        app: app.to_owned(),
        image: format!("registry.example.com/shop/{app}"),
        digest: format!("sha256:{}", hash(content, app)),
        tags: vec![hash(commit, message)[..7].to_owned(), "main".to_owned(), "latest".to_owned()],
        size,
        attached: BTreeMap::new(),
        platform: Some("linux/amd64".to_owned()),
    };
    let artifacts = vec![artifact("web", commit, 74_213_000), artifact("worker", 0, 181_900_000)];
    JobResult::Built { artifacts, release_plan: shop_plan() }
}

fn shop_plan() -> ReleasePlan {
    let web = ReleaseSettings {
        port: Some(8080),
        replicas: Some(2),
        domain: Some("dev.shop.example.com".to_owned()),
        ..ReleaseSettings::default()
    };
    let named = |name: &str, from: Source, domain: &str| Environment {
        apps: vec![(
            "web".to_owned(),
            ReleaseSettings { domain: Some(domain.to_owned()), ..ReleaseSettings::default() },
        )],
        ..Environment::new(name, from)
    };
    let from = |environment: &str| Source::Environment { environment: environment.to_owned() };
    ReleasePlan {
        apps: BTreeMap::from([("web".to_owned(), web), ("worker".to_owned(), ReleaseSettings::default())]),
        environments: vec![
            named("dev", Source::Branch { branch: "main".to_owned() }, "dev.shop.example.com"),
            named("staging", from("dev"), "staging.shop.example.com"),
            named("production", from("staging"), "shop.example.com"),
        ],
        ..ReleasePlan::default()
    }
}

async fn connect(store: &Store, name: &str) -> Repository {
    let mut tx = store.write().await.unwrap();
    let new = NewRepository {
        id: RepositoryId::new(),
        name: name.to_owned(),
        clone_url: format!("https://github.com/{name}.git"),
        default_branch: "main".to_owned(),
        hook_id: format!("unguessable {name}"),
        hook_secret: vec![1],
    };
    let connected = repositories::connect(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    connected
}
