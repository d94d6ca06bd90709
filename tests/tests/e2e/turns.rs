//! Whose turn it is: the queue's rule against a model of it, limits, and what cannot be read.

use std::{collections::BTreeMap, sync::Arc};

use slipway_runner::coordinator::{ClaimReply, Coordinator, HostingQuestion, JobResult, LeaseKey, Work};
use slipway_server::{
    builds::{self, BuildState, Created, NewBuild},
    ids::{EnvironmentId, JobId, ReleaseId, RepositoryId},
    notifications::read_news,
    queue::limit_builds,
    retention::{Limits, Round},
    store::{
        Db, jobs,
        repositories::{self, NewRepository},
    },
};
use slipway_tests::{databases::TestDatabase, on_both_databases, pipeline::Pipeline};
use sqlx::AssertSqlSafe;

on_both_databases!(
    claims_follow_the_rule,
    a_full_queue_delays_another_repository_by_one_job,
    what_is_asked_for_comes_first_in_its_repository,
    a_repository_s_limit_holds_against_claims_at_once,
    a_release_that_cannot_be_read_holds_up_nobody,
    what_cannot_be_read_concerns_nobody_else,
    an_orderly_end_of_a_runner_is_no_failed_attempt,
);

/// Connects one more repository.
async fn connect(pipeline: &Pipeline, name: &str) -> RepositoryId {
    let mut tx = pipeline.store.write().await.unwrap();
    let new = NewRepository {
        id: RepositoryId::new(),
        name: name.to_owned(),
        clone_url: format!("https://forge.example/{name}.git"),
        default_branch: "main".to_owned(),
        hook_id: format!("hook of {name}"),
        hook_secret: vec![1],
    };
    let connected = repositories::connect(&mut tx, &new).await.unwrap();
    tx.commit().await.unwrap();
    connected.id
}

async fn execute(pipeline: &Pipeline, sql: String) {
    match pipeline.store.db() {
        Db::Sqlite { write, .. } => drop(sqlx::query(AssertSqlSafe(sql)).execute(write).await.unwrap()),
        Db::Postgres(pool) => drop(sqlx::query(AssertSqlSafe(sql)).execute(pool).await.unwrap()),
    }
}

/// Queues builds, all in one transaction; answers with their jobs.
async fn queue(pipeline: &Pipeline, news: &[NewBuild]) -> Vec<JobId> {
    let mut tx = pipeline.store.write().await.unwrap();
    let mut queued = Vec::new();
    for new in news {
        let Created::Queued(build) = builds::create(&mut tx, new).await.unwrap() else { panic!("it was not queued") };
        queued.push(jobs::of_build(&mut tx.conn(), &build.id).await.unwrap().unwrap().id);
    }
    tx.commit().await.unwrap();
    queued
}

async fn fail(pipeline: &Pipeline, lease: &LeaseKey) {
    let failed = JobResult::Failed { reason: "the test says so".to_owned() };
    pipeline.coordinator.finish_job(lease, failed).await.unwrap();
}

/// The rule of `queue::order` once more, in memory and one job after the other.
#[derive(Default)]
struct Model {
    jobs: BTreeMap<JobId, ModelJob>,
    /// Each repository's limit.
    limits: Vec<usize>,
    /// The number of each repository's last turn.
    turns: Vec<usize>,
    turn: usize,
}

struct ModelJob {
    repository: usize,
    /// The environment of a rollout.
    environment: Option<usize>,
    priority: i64,
    is_running: bool,
}

impl Model {
    fn running(&self, repository: usize, is_counted: impl Fn(&ModelJob) -> bool) -> usize {
        self.jobs.values().filter(|job| job.is_running && job.repository == repository && is_counted(job)).count()
    }

    fn may_run(&self, job: &ModelJob) -> bool {
        match job.environment {
            Some(_) => self.running(job.repository, |other| other.environment == job.environment) == 0,
            None => self.running(job.repository, |other| other.environment.is_none()) < self.limits[job.repository],
        }
    }

    fn claim(&mut self) -> Option<JobId> {
        let waiting = self.jobs.iter().filter(|(_, job)| !job.is_running && self.may_run(job));
        // The first of each repository, rollouts apart; then the first of these.
        let mut lines: BTreeMap<(usize, bool), (i64, JobId)> = BTreeMap::new();
        for (id, job) in waiting {
            let place = (-job.priority, id.clone());
            let line = lines.entry((job.repository, job.environment.is_none())).or_insert_with(|| place.clone());
            *line = place.min(line.clone());
        }
        let first = lines.into_iter().min_by_key(|((repository, is_build), (_, id))| {
            (*is_build, self.running(*repository, |_| true), self.turns[*repository], id.clone())
        });
        let ((repository, _), (_, id)) = first?;
        self.turn += 1;
        self.turns[repository] = self.turn;
        self.jobs.get_mut(&id).unwrap().is_running = true;
        Some(id)
    }
}

/// Small numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

const REPOSITORIES: usize = 4;
const ENVIRONMENTS: usize = 2;

async fn claims_follow_the_rule(database: TestDatabase) {
    let seed = 0x5117_u64;
    let mut chance = Chance(seed);
    let pipeline = Pipeline::new(database).await;
    limit_builds(&pipeline.store, 3).await.unwrap();
    let mut model = Model { limits: vec![3; REPOSITORIES], turns: vec![0; REPOSITORIES], ..Model::default() };
    let (mut repositories, mut environments) = (Vec::new(), Vec::new());
    for number in 0..REPOSITORIES {
        let repository = connect(&pipeline, &format!("acme/{number}")).await;
        for place in 0..ENVIRONMENTS {
            environments.push(environment(&pipeline, &repository, place).await);
        }
        repositories.push(repository);
    }
    let mut held: Vec<LeaseKey> = Vec::new();
    let mut claimed = 0;
    for turn in 0..300 {
        let repository = chance.below(REPOSITORIES);
        match chance.below(10) {
            0..3 => {
                let (branch, asked_for) = [("main", false), ("topic", false), ("topic", true)][chance.below(3)];
                let new = NewBuild {
                    repository: repositories[repository].clone(),
                    supersede: false,
                    asked_for,
                    ..pipeline.push(branch, "a")
                };
                let new = NewBuild { commit_sha: format!("{turn:040}"), ..new };
                let id = queue(&pipeline, &[new]).await.remove(0);
                let priority = if asked_for { 2 } else { i64::from(branch == "main") };
                model.jobs.insert(id, ModelJob { repository, environment: None, priority, is_running: false });
            }
            3 => {
                let place = repository * ENVIRONMENTS + chance.below(ENVIRONMENTS);
                let id = rollout(&pipeline, &repositories[repository], &environments[place], turn).await;
                let job = ModelJob { repository, environment: Some(place), priority: 3, is_running: false };
                model.jobs.insert(id, job);
            }
            4 => {
                let limit = 1 + chance.below(3);
                let mut tx = pipeline.store.write().await.unwrap();
                let own = Some(i64::try_from(limit).unwrap());
                repositories::limit_builds(&mut tx, &repositories[repository], own).await.unwrap();
                tx.commit().await.unwrap();
                model.limits[repository] = limit;
            }
            5..8 => {
                let lease = pipeline.try_claim().await.map(|lease| lease.key);
                let got = lease.as_ref().map(|lease| lease.job.parse::<JobId>().unwrap());
                assert_eq!(got, model.claim(), "turn {turn} of seed {seed:#x}");
                claimed += usize::from(lease.is_some());
                held.extend(lease);
            }
            end if !held.is_empty() => {
                let lease = held.swap_remove(chance.below(held.len()));
                let id: JobId = lease.job.parse().unwrap();
                if end == 8 {
                    // Handed back: it keeps its place.
                    pipeline.coordinator.finish_job(&lease, JobResult::Cancelled).await.unwrap();
                    model.jobs.get_mut(&id).unwrap().is_running = false;
                } else {
                    fail(&pipeline, &lease).await;
                    model.jobs.remove(&id);
                }
            }
            _ => {}
        }
    }
    assert!(claimed > 40, "only {claimed} jobs were taken: the test tells little");
}

/// An environment of a repository, as a build would have made it.
async fn environment(pipeline: &Pipeline, repository: &RepositoryId, place: usize) -> EnvironmentId {
    let id = EnvironmentId::new();
    let source = r#"{"from":"branch","branch":"main"}"#;
    let sql = format!(
        "INSERT INTO environment (id, repository_id, name, position, source, created_at)
         VALUES ('{id}', '{repository}', 'place-{place}', {place}, '{source}', 0)"
    );
    execute(pipeline, sql).await;
    id
}

/// A rollout that waits: of a release that holds nothing.
async fn rollout(pipeline: &Pipeline, repository: &RepositoryId, environment: &EnvironmentId, number: usize) -> JobId {
    let (release, job, build) = (ReleaseId::new(), JobId::new(), slipway_server::ids::BuildId::new());
    execute(
        pipeline,
        format!(
            "INSERT INTO build (id, repository_id, number, dedup_key, event, git_ref, commit_sha, message, author,
                                state, created_at)
             VALUES ('{build}', '{repository}', {}, '{build}', 'push', 'refs/heads/main', '', '', '', 'succeeded', 0)",
            10_000 + number
        ),
    )
    .await;
    execute(
        pipeline,
        format!(
            "INSERT INTO release (id, environment_id, number, dedup_key, kind, build_id, actor, state, content,
                                  created_at)
             VALUES ('{release}', '{environment}', {number}, '{release}', 'build', '{build}', 'ada', 'queued', '[]', 0)"
        ),
    )
    .await;
    execute(
        pipeline,
        format!(
            "INSERT INTO job (id, kind, release_id, state, priority, not_before, concurrency_key, created_at,
                              repository_id)
             VALUES ('{job}', 'rollout', '{release}', 'queued', 30, 0, 'environment {environment}', 0, '{repository}')"
        ),
    )
    .await;
    job
}

async fn a_full_queue_delays_another_repository_by_one_job(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let quiet = connect(&pipeline, "acme/quiet").await;
    let many: Vec<_> = (0..500).map(|number| pipeline.push(&format!("topic-{number}"), "a")).collect();
    queue(&pipeline, &many).await;
    let first = pipeline.claim().await.key;
    let pushed = NewBuild { repository: quiet, ..pipeline.push("topic", "a") };
    let waiting = queue(&pipeline, &[pushed]).await.remove(0);
    fail(&pipeline, &first).await;
    assert_eq!(pipeline.claim().await.key.job, waiting.to_string(), "it is the other repository's turn");
}

async fn what_is_asked_for_comes_first_in_its_repository(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let tag = NewBuild { git_ref: "refs/tags/v1".to_owned(), event: "tag".to_owned(), ..pipeline.push("x", "d") };
    let asked_for = NewBuild { asked_for: true, ..pipeline.push("other", "c") };
    let news = [pipeline.push("topic", "a"), pipeline.push("main", "b"), asked_for, tag];
    queue(&pipeline, &news).await;
    let mut order = Vec::new();
    while let Some(lease) = pipeline.try_claim().await {
        let Work::Build(work) = lease.work else { panic!("no rollout waits") };
        order.push(work.git_ref);
    }
    assert_eq!(order, ["refs/heads/other", "refs/heads/main", "refs/tags/v1", "refs/heads/topic"]);
}

async fn a_repository_s_limit_holds_against_claims_at_once(database: TestDatabase) {
    let pipeline = Arc::new(Pipeline::new(database).await);
    limit_builds(&pipeline.store, 2).await.unwrap();
    let many: Vec<_> = (0..6).map(|number| pipeline.push(&format!("topic-{number}"), "a")).collect();
    queue(&pipeline, &many).await;
    let claims = futures_util::future::join_all((0..8).map(|_| pipeline.try_claim())).await;
    let mut held: Vec<_> = claims.into_iter().flatten().collect();
    assert_eq!(held.len(), 2, "the server's limit");
    let waits = async |number: i64| {
        let mut reader = pipeline.store.read().await.unwrap();
        let now = pipeline.store.clock().now();
        builds::detail(&mut reader.conn(), "acme/shop", number, now).await.unwrap().unwrap().waits_for.unwrap()
    };
    let mut running: Vec<_> = held
        .iter()
        .map(|lease| match &lease.work {
            Work::Build(work) => work.number,
            Work::Rollout(_) => panic!("no rollout waits"),
        })
        .collect();
    running.sort_unstable();
    let waiting = (1..=6).find(|number| !running.contains(number)).unwrap();
    let (one, other) = (running[0], running[1]);
    let expected = format!("waiting for the repository's limit of 2 builds at once: #{one} and #{other} are running");
    assert_eq!(waits(waiting).await, expected);

    let mut tx = pipeline.store.write().await.unwrap();
    repositories::limit_builds(&mut tx, &pipeline.repository.id, Some(3)).await.unwrap();
    tx.commit().await.unwrap();
    let claims = futures_util::future::join_all((0..8).map(|_| pipeline.try_claim())).await;
    held.extend(claims.into_iter().flatten());
    assert_eq!(held.len(), 3, "its own limit");
    fail(&pipeline, &held[0].key).await;
    assert!(pipeline.try_claim().await.is_some(), "an end makes room");
    assert!(pipeline.try_claim().await.is_none());
}

async fn a_release_that_cannot_be_read_holds_up_nobody(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let lease = pipeline.claim().await;
    pipeline.succeed(&lease.key, "sha256:a").await;
    pipeline.queue(&pipeline.push("topic", "b")).await;
    execute(&pipeline, "UPDATE release SET content = '{'".to_owned()).await;
    let lease = pipeline.claim().await;
    assert!(matches!(lease.work, Work::Build(_)), "the rollout that was first has failed, and the build is next");
    execute(&pipeline, "UPDATE release SET content = '[]'".to_owned()).await;
    let release = pipeline.release("dev", 1).await;
    assert_eq!(release.state, slipway_server::releases::ReleaseState::Failed);
    assert!(release.reason.unwrap().starts_with("it could not begin: "));
    assert_eq!(pipeline.event_kinds("release.").await, ["release.queued", "release.failed"]);
}

async fn what_cannot_be_read_concerns_nobody_else(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.live_in_dev("a").await;
    pipeline.promote("production").await.unwrap();
    pipeline.roll_out().await;
    let production = pipeline.live("production").await.unwrap();
    execute(&pipeline, format!("UPDATE release SET content = '{{' WHERE id = '{}'", production.id)).await;

    // Its environment alone is not looked after, its events alone are not told of, its repository alone is not collected.
    let question = HostingQuestion { runner: "one".to_owned(), incarnation: "first life".to_owned() };
    let hosting = pipeline.coordinator.hosting(question).await.unwrap();
    let names: Vec<&str> = hosting.environments.iter().map(|it| it.environment_name.as_str()).collect();
    assert_eq!(names, ["dev"]);
    read_news(&pipeline.store).await.unwrap();
    Round::choose(&pipeline.store, Limits::default(), pipeline.store.clock().now()).await.unwrap();
}

async fn an_orderly_end_of_a_runner_is_no_failed_attempt(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    for attempt in 1..=8 {
        let lease = pipeline.claim().await;
        assert_eq!(lease.attempt, attempt);
        pipeline.coordinator.finish_job(&lease.key, JobResult::Cancelled).await.unwrap();
    }
    assert_eq!(pipeline.build(1).await.state, BuildState::Queued);
    assert!(matches!(pipeline.coordinator.claim(pipeline.request(0)).await.unwrap(), ClaimReply::Work { .. }));
}
