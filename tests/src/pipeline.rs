//! A server without runner or forge: pushes go in by hand, and the test plays the runner. For tests of the store, the
//! queue and releases.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use slipway_pipelines::{
    config::{Environment, Source},
    plan::ReleasePlan,
    release::ReleaseSettings,
};
use slipway_runner::coordinator::{
    Artifact, ClaimReply, ClaimRequest, Coordinator, Hello, JobResult, Lease, LeaseKey, PROTOCOL, RolloutWork,
    StepDeclaration, StepKind, StepResult, Work,
};
use slipway_server::{
    builds::{Created, NewBuild, create},
    deliveries::Proposer,
    events::NewEvent,
    ids::RepositoryId,
    intake::{Intake, NewDelivery, Received, Verdict},
    queue::{ServerCoordinator, Timing},
    releases::{By, ReleaseError, promote, rollback},
    secrets::{
        GivenTo, LoginScope, Sealer, Secret, SecretKey,
        instance::{self, NewInstanceSecret},
        repository as secrets,
    },
    store::{
        Store,
        builds::Build,
        environments::Environment as StoredEnvironment,
        events::{Event, EventFilter},
        releases::Release,
        repositories::{self, NewRepository, Repository},
    },
};

use crate::{clock::ManualClock, databases::TestDatabase};

/// The server's state, one connected repository, and the test in the runner's place.
pub struct Pipeline {
    /// The store.
    pub store: Store,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Seals and opens what runners are given.
    pub sealer: Sealer,
    /// What runners speak to.
    pub coordinator: ServerCoordinator,
    /// The way in for deliveries.
    pub intake: Intake,
    /// The connected repository, `acme/shop`.
    pub repository: Repository,
    deliveries: AtomicU32,
    _database: TestDatabase,
}

impl Pipeline {
    /// Opens the database, connects `acme/shop` and announces the runner `one`.
    pub async fn new(database: TestDatabase) -> Self {
        let pipeline = Self::without_runner(database).await;
        pipeline.announce("one", "first life", &[]).await;
        pipeline
    }

    /// The same, but no runner has announced itself.
    pub async fn without_runner(database: TestDatabase) -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = Store::open(database.url(), clock.clone()).await.unwrap();
        let mut tx = store.write().await.unwrap();
        let new = NewRepository {
            id: RepositoryId::new(),
            name: "acme/shop".to_owned(),
            clone_url: "https://forge.example/acme/shop.git".to_owned(),
            default_branch: "main".to_owned(),
            hook_id: "unguessable".to_owned(),
            hook_secret: vec![1, 2, 3],
        };
        let repository = repositories::connect(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        let sealer = Sealer::new(&SecretKey::random().unwrap());
        let coordinator = ServerCoordinator::new(store.clone(), Arc::new(sealer.clone()), Timing::default());
        let intake = Intake::start(store.clone());
        Pipeline {
            store,
            clock,
            sealer,
            coordinator,
            intake,
            repository,
            deliveries: AtomicU32::new(0),
            _database: database,
        }
    }

    /// A build of a branch, as a push asks for it.
    #[must_use]
    pub fn push(&self, branch: &str, commit: &str) -> NewBuild {
        NewBuild {
            repository: self.repository.id.clone(),
            event: "push".to_owned(),
            git_ref: format!("refs/heads/{branch}"),
            commit_sha: commit.repeat(40).chars().take(40).collect(),
            message: format!("change {commit}"),
            author: "Ada".to_owned(),
            pusher: String::new(),
            before: None,
            pull_request: None,
            proposer: Proposer::default(),
            supersede: true,
            asked_for: false,
        }
    }

    /// Delivers what a webhook asks for, under a forge id of its own.
    pub async fn deliver(&self, verdict: Verdict) -> Received {
        let forge_id = format!("delivery-{}", self.deliveries.fetch_add(1, Ordering::Relaxed));
        self.deliver_as(&forge_id, verdict).await
    }

    /// Delivers what a webhook asks for, under this forge id.
    pub async fn deliver_as(&self, forge_id: &str, verdict: Verdict) -> Received {
        let delivery = NewDelivery {
            repository: self.repository.id.clone(),
            forge_id: forge_id.to_owned(),
            event: "push".to_owned(),
            headers: BTreeMap::default(),
            payload: br#"{"ref":"refs/heads/main"}"#.to_vec().into(),
            verdict,
        };
        self.intake.store(delivery).await.unwrap()
    }

    /// Queues a build of a branch.
    pub async fn queue(&self, new: &NewBuild) -> Build {
        let mut tx = self.store.write().await.unwrap();
        let created = create(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        match created {
            Created::Queued(build) => build,
            other => panic!("nothing was queued: {other:?}"),
        }
    }

    /// Sets a secret of the instance, for some repositories or every one.
    pub async fn set_instance_secret(
        &self,
        name: &str,
        value: &str,
        repositories: Option<&[String]>,
        given_to: Option<&GivenTo>,
    ) {
        let scope = LoginScope::asked(repositories.map(<[String]>::to_vec), repositories.is_none()).unwrap();
        let new = NewInstanceSecret { name, value: &Secret::new(value), scope: &scope, given_to };
        let mut tx = self.store.write().await.unwrap();
        instance::set(&mut tx, &self.sealer, &new).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Sets a secret of the repository, for some builds.
    pub async fn limit_secret(&self, name: &str, value: &str, given_to: &GivenTo) {
        let (mut tx, value) = (self.store.write().await.unwrap(), Secret::new(value));
        let repository = &self.repository.id;
        secrets::set(&mut tx, &self.sealer, repository, None, name, &value, Some(given_to)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Sets a secret of the repository, or of one of its environments.
    pub async fn set_secret(&self, environment: Option<&str>, name: &str, value: &str) {
        let mut tx = self.store.write().await.unwrap();
        let value = Secret::new(value);
        secrets::set(&mut tx, &self.sealer, &self.repository.id, environment, name, &value, None).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Pushes to main and builds with this result; answers with the build as it stands then.
    pub async fn built(&self, commit: &str, result: JobResult) -> Build {
        let number = self.queue(&self.push("main", commit)).await.number;
        let lease = self.claim().await;
        self.run_step(&lease.key, 0, StepResult::succeeded()).await;
        self.coordinator.finish_job(&lease.key, result).await.unwrap();
        self.build(number).await
    }

    /// The build with this number, as it stands now.
    pub async fn build(&self, number: i64) -> Build {
        let mut reader = self.store.read().await.unwrap();
        let found = slipway_server::store::builds::by_number(&mut reader.conn(), &self.repository.id, number).await;
        found.unwrap().expect("no such build")
    }

    /// Announces one life of a runner.
    pub async fn announce(&self, runner: &str, incarnation: &str, resuming: &[LeaseKey]) {
        self.coordinator.register(self.hello(runner, incarnation, resuming)).await.unwrap();
    }

    /// What a runner says of a new life.
    #[must_use]
    pub fn hello(&self, runner: &str, incarnation: &str, resuming: &[LeaseKey]) -> Hello {
        Hello {
            runner: runner.to_owned(),
            name: runner.to_owned(),
            incarnation: incarnation.to_owned(),
            capacity: 2,
            version: "0.1.0".to_owned(),
            resuming: resuming.to_vec(),
            protocol: PROTOCOL,
            labels: BTreeMap::new(),
            builds_only: false,
        }
    }

    /// A request of runner `one` for a job.
    #[must_use]
    pub fn request(&self, wait_ms: u64) -> ClaimRequest {
        ClaimRequest {
            runner: "one".to_owned(),
            incarnation: "first life".to_owned(),
            free: 1,
            holding: vec![],
            wait_ms,
            draining: false,
            hindrance: None,
        }
    }

    /// Leases the next job, if there is one now.
    pub async fn try_claim(&self) -> Option<Lease> {
        match self.coordinator.claim(self.request(0)).await.unwrap() {
            ClaimReply::Work { lease } => Some(*lease),
            ClaimReply::Idle => None,
            other => panic!("asked for work, told {other:?}"),
        }
    }

    /// Leases the next job, which must be there.
    pub async fn claim(&self) -> Lease {
        self.try_claim().await.expect("no job to claim")
    }

    /// Leases the next job, which must be a rollout.
    pub async fn claim_rollout(&self) -> (LeaseKey, RolloutWork) {
        let lease = self.claim().await;
        match lease.work {
            Work::Rollout(work) => (lease.key, work),
            Work::Build(build) => panic!("a rollout was expected, not build {}", build.number),
        }
    }

    /// Declares, starts and ends one step of a leased job.
    pub async fn run_step(&self, lease: &LeaseKey, index: u32, result: StepResult) {
        self.coordinator.declare_steps(lease, vec![step(index)]).await.unwrap();
        self.coordinator.start_step(lease, index).await.unwrap();
        self.coordinator.finish_step(lease, index, result).await.unwrap();
    }

    /// Builds the next job to its successful end: a release plan with `dev` from main and `production` from dev.
    pub async fn succeed(&self, lease: &LeaseKey, digest: &str) {
        self.run_step(lease, 0, StepResult::succeeded()).await;
        self.coordinator.finish_job(lease, built(digest, usual_plan())).await.unwrap();
    }

    /// Pushes to main, builds, and brings the release to dev.
    pub async fn live_in_dev(&self, commit: &str) -> Release {
        self.queue(&self.push("main", commit)).await;
        let lease = self.claim().await;
        self.succeed(&lease.key, &digest(commit)).await;
        self.roll_out().await;
        self.live("dev").await.expect("nothing live in dev")
    }

    /// Claims the next rollout and lets it go live.
    pub async fn roll_out(&self) -> RolloutWork {
        let (lease, work) = self.claim_rollout().await;
        self.run_step(&lease, 0, StepResult::succeeded()).await;
        self.coordinator.finish_job(&lease, JobResult::Live).await.unwrap();
        work
    }

    /// Claims the next rollout and lets it fail.
    pub async fn fail_rollout(&self, reason: &str) {
        let (lease, _) = self.claim_rollout().await;
        self.coordinator.finish_job(&lease, JobResult::Failed { reason: reason.to_owned() }).await.unwrap();
    }

    /// The environment of this name.
    pub async fn environment(&self, name: &str) -> StoredEnvironment {
        let mut reader = self.store.read().await.unwrap();
        let found = slipway_server::store::environments::by_name(&mut reader.conn(), &self.repository.id, name).await;
        found.unwrap().expect("no such environment")
    }

    /// What is live in the environment of this name.
    pub async fn live(&self, environment: &str) -> Option<Release> {
        let environment = self.environment(environment).await;
        let mut reader = self.store.read().await.unwrap();
        slipway_server::store::releases::live(&mut reader.conn(), &environment.id).await.unwrap()
    }

    /// The release with this number of the environment of this name, as it stands now.
    pub async fn release(&self, environment: &str, number: i64) -> Release {
        let environment = self.environment(environment).await;
        let mut reader = self.store.read().await.unwrap();
        let found = slipway_server::store::releases::by_number(&mut reader.conn(), &environment.id, number).await;
        found.unwrap().expect("no such release")
    }

    /// Promotes to an environment.
    ///
    /// # Errors
    /// As [`promote`].
    pub async fn promote(&self, environment: &str) -> Result<Release, ReleaseError> {
        let mut tx = self.store.write().await.unwrap();
        let release = promote(&mut tx, &self.repository, environment, By::name("ada")).await?;
        tx.commit().await.unwrap();
        Ok(release)
    }

    /// Rolls an environment back.
    ///
    /// # Errors
    /// As [`rollback`].
    pub async fn roll_back(&self, environment: &str, to: Option<i64>) -> Result<Release, ReleaseError> {
        let mut tx = self.store.write().await.unwrap();
        let release = rollback(&mut tx, &self.repository, environment, to, By::name("ada")).await?;
        tx.commit().await.unwrap();
        Ok(release)
    }

    /// Every event so far.
    pub async fn events(&self) -> Vec<Event> {
        let mut reader = self.store.read().await.unwrap();
        slipway_server::store::events::after(&mut reader.conn(), 0, &EventFilter::default(), 10_000).await.unwrap()
    }

    /// The kinds of the events so far that begin like this, in order.
    pub async fn event_kinds(&self, beginning: &str) -> Vec<String> {
        let events = self.events().await;
        events.into_iter().map(|event| event.kind).filter(|kind| kind.starts_with(beginning)).collect()
    }

    /// Commits a transaction with one event of this kind and nothing else.
    pub async fn emit(&self, kind: &str) {
        let mut tx = self.store.write().await.unwrap();
        tx.emit(NewEvent::new(kind));
        tx.commit().await.unwrap();
    }
}

/// A step to declare.
#[must_use]
pub fn step(index: u32) -> StepDeclaration {
    StepDeclaration {
        index,
        app: Some("web".to_owned()),
        kind: StepKind::Pre,
        name: format!("step {index}"),
        needs: (0..index).collect(),
        skipped: None,
        taken_over: false,
    }
}

/// A digest that names what it is of.
#[must_use]
pub fn digest(of: &str) -> String {
    format!("sha256:{of}")
}

/// A successful build's result: the app `web`.
#[must_use]
pub fn built(digest: &str, release_plan: ReleasePlan) -> JobResult {
    JobResult::Built { artifacts: vec![artifact("web", digest)], release_plan }
}

/// What a build pushed for an app.
#[must_use]
pub fn artifact(app: &str, digest: &str) -> Artifact {
    Artifact {
        app: app.to_owned(),
        image: format!("registry.example/shop/{app}"),
        digest: digest.to_owned(),
        tags: vec!["main".to_owned()],
        size: 1_000,
        attached: BTreeMap::new(),
        platform: None,
    }
}

/// `dev` from main, and `production` from dev with three replicas.
#[must_use]
pub fn usual_plan() -> ReleasePlan {
    let web = ReleaseSettings { port: Some(8080), ..ReleaseSettings::default() };
    let production = ReleaseSettings { replicas: Some(3), ..ReleaseSettings::default() };
    ReleasePlan {
        apps: BTreeMap::from([("web".to_owned(), web)]),
        environments: vec![
            Environment::new("dev", Source::Branch { branch: "main".to_owned() }),
            Environment {
                apps: vec![("web".to_owned(), production)],
                ..Environment::new("production", Source::Environment { environment: "dev".to_owned() })
            },
        ],
        ..ReleasePlan::default()
    }
}
