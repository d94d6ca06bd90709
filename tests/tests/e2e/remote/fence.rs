//! What a runner's token opens: its own leases, and nothing else.

use serde_json::{Value, json};
use slipway_runner::{
    coordinator::{
        ClaimReply, ClaimRequest, Coordinator, CoordinatorError, Heartbeat, Hello, JobResult, Lease, LogChunk, LogLine,
        LogStream, PROTOCOL, StepDeclaration, StepKind, StepResult, Verdict,
    },
    remote::{RemoteCoordinator, ServerAddress},
};
use slipway_server::{access::Permission, http};
use slipway_tests::{
    databases::TestDatabase,
    forge::Push,
    on_both_databases,
    slipway::{Setup, Slipway},
};

on_both_databases!(
    a_runner_reports_on_its_own_leases_alone,
    what_a_killed_life_had_sent_comes_too_late,
    what_was_revoked_opens_nothing,
);

/// A runner of the test's own.
struct Puppet {
    id: String,
    token: String,
    coordinator: RemoteCoordinator,
}

impl Puppet {
    async fn of(slipway: &Slipway, name: &str) -> Self {
        let made = slipway.api().post("/api/v1/runners", &json!({"name": name})).await.expect(201).json();
        let (id, token) = (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned());
        let puppet = Puppet { id, coordinator: line(slipway, &token), token };
        puppet.coordinator.register(puppet.hello("one life")).await.unwrap();
        puppet
    }

    fn hello(&self, incarnation: &str) -> Hello {
        Hello {
            runner: self.id.clone(),
            name: "what it calls itself".to_owned(),
            incarnation: incarnation.to_owned(),
            capacity: 1,
            version: "0.1.0".to_owned(),
            resuming: vec![],
            protocol: PROTOCOL,
            labels: [("gpu".to_owned(), "yes".to_owned())].into(),
            builds_only: false,
        }
    }

    fn request(&self, free: u32) -> ClaimRequest {
        ClaimRequest {
            runner: self.id.clone(),
            incarnation: "one life".to_owned(),
            free,
            holding: vec![],
            wait_ms: 0,
            draining: false,
            hindrance: None,
        }
    }

    async fn lease(&self) -> Lease {
        match self.coordinator.claim(self.request(1)).await.unwrap() {
            ClaimReply::Work { lease } => *lease,
            other => panic!("no job: {other:?}"),
        }
    }
}

fn line(slipway: &Slipway, token: &str) -> RemoteCoordinator {
    let server = ServerAddress::check(slipway.url(), false).unwrap();
    RemoteCoordinator::new(vec![server], token).unwrap()
}

async fn server(database: &TestDatabase) -> Slipway {
    Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await
}

async fn queue(slipway: &Slipway) {
    let webhook = slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    Push::to_branch("shop/web", "main", &"a".repeat(40)).delivery().send(&webhook).await.expect(202);
}

fn step() -> StepDeclaration {
    StepDeclaration {
        index: 0,
        app: None,
        kind: StepKind::Checkout,
        name: "checkout".to_owned(),
        needs: vec![],
        skipped: None,
        taken_over: false,
    }
}

fn chunk() -> LogChunk {
    let line = LogLine { at: 1, stream: LogStream::Out, text: "x".repeat(10_000) };
    LogChunk { seq: 0, first_line: 1, lines: vec![line] }
}

async fn a_runner_reports_on_its_own_leases_alone(database: TestDatabase) {
    let slipway = server(&database).await;
    queue(&slipway).await;
    let (one, other) = (Puppet::of(&slipway, "one").await, Puppet::of(&slipway, "other").await);
    let lease = one.lease().await;
    let key = &lease.key;
    one.coordinator.declare_steps(key, vec![step()]).await.unwrap();
    one.coordinator.start_step(key, 0).await.unwrap();

    // The other one knows the job and its epoch.
    let lost = Err(CoordinatorError::LeaseLost { job: key.job.clone() });
    let failed = JobResult::Failed { reason: "sabotage".to_owned() };
    assert_eq!(other.coordinator.declare_steps(key, vec![step()]).await, lost);
    assert_eq!(other.coordinator.start_step(key, 0).await, lost);
    assert_eq!(other.coordinator.resume(key).await.err(), lost.clone().err(), "and is told no secret of it");
    assert_eq!(other.coordinator.append_log(key, 0, chunk()).await, lost);
    assert_eq!(other.coordinator.finish_step(key, 0, StepResult::succeeded()).await, lost);
    assert_eq!(other.coordinator.finish_job(key, failed.clone()).await, lost);
    assert_eq!(other.coordinator.finish_job(key, JobResult::Cancelled).await, lost);

    // Nor does it help to call itself the first.
    let beat = Heartbeat {
        runner: one.id.clone(),
        incarnation: "one life".to_owned(),
        holding: vec![key.clone()],
        waiting: vec![],
    };
    assert_eq!(other.coordinator.heartbeat(beat.clone()).await.unwrap(), [(key.clone(), Verdict::Lost)]);
    let reply = other.coordinator.claim(one.request(1)).await.unwrap();
    assert_eq!(reply, ClaimReply::Idle, "the lease is not handed out again to another");
    let asked = ClaimRequest { holding: vec![key.clone()], ..one.request(0) };
    let reply = other.coordinator.claim(asked).await.unwrap();
    assert_eq!(reply, ClaimReply::Cancel { leases: vec![key.clone()] });
    let resuming = Hello { resuming: vec![key.clone()], ..one.hello("a life of the other") };
    other.coordinator.register(resuming).await.unwrap();

    // All the while the first one's lease holds, and its log is its own.
    assert_eq!(one.coordinator.heartbeat(beat).await.unwrap(), [(key.clone(), Verdict::GoOn)]);
    one.coordinator.append_log(key, 0, chunk()).await.unwrap();
    let known = one.coordinator.resume(key).await.unwrap();
    assert_eq!((known.lease.attempt, known.steps[0].log.out), (1, 1));
    one.coordinator.finish_step(key, 0, StepResult::failed("exit code 1")).await.unwrap();
    one.coordinator.finish_job(key, failed.clone()).await.unwrap();
    assert_eq!(other.coordinator.finish_job(key, failed).await, lost, "not even what was said already");
    let build = slipway.api().get("/api/v1/repositories/shop/web/builds/1").await.expect(200).json();
    assert_eq!((&build["state"], &build["reason"]), (&json!("failed"), &json!("sabotage")));
    let runners = slipway.api().get("/api/v1/runners").await.expect(200).json();
    let names: Vec<&Value> = runners["items"].as_array().unwrap().iter().map(|runner| &runner["name"]).collect();
    assert_eq!(names, ["one", "other"], "they are called as they were admitted");
}

/// The next life was told where the log goes on: nothing may come in between.
async fn what_a_killed_life_had_sent_comes_too_late(database: TestDatabase) {
    let slipway = server(&database).await;
    queue(&slipway).await;
    let one = Puppet::of(&slipway, "one").await;
    let key = one.lease().await.key;
    one.coordinator.declare_steps(&key, vec![step()]).await.unwrap();
    one.coordinator.start_step(&key, 0).await.unwrap();

    let next = line(&slipway, &one.token);
    let resuming = Hello { resuming: vec![key.clone()], ..one.hello("the next life") };
    next.register(resuming).await.unwrap();
    let known = next.resume(&key).await.unwrap();
    assert_eq!(known.steps[0].log.next_seq, 0);

    let lost = Err(CoordinatorError::LeaseLost { job: key.job.clone() });
    assert_eq!(one.coordinator.append_log(&key, 0, chunk()).await, lost);
    assert_eq!(one.coordinator.finish_step(&key, 0, StepResult::succeeded()).await, lost);
    assert_eq!(next.resume(&key).await.unwrap().steps[0].log, known.steps[0].log, "nothing has come in between");
    next.append_log(&key, 0, chunk()).await.unwrap();
    next.finish_step(&key, 0, StepResult::succeeded()).await.unwrap();
}

async fn what_was_revoked_opens_nothing(database: TestDatabase) {
    let slipway = server(&database).await;
    queue(&slipway).await;
    let one = Puppet::of(&slipway, "one").await;
    let lease = one.lease().await;
    one.coordinator.declare_steps(&lease.key, vec![step()]).await.unwrap();
    slipway.api().delete("/api/v1/runners/one").await.expect(200);

    let refused = one.coordinator.claim(one.request(1)).await;
    assert!(matches!(&refused, Err(CoordinatorError::Refused { reason }) if reason.contains("revoked")), "{refused:?}");
    assert!(one.coordinator.start_step(&lease.key, 0).await.is_err());
    let next = Puppet::of(&slipway, "one").await.lease().await;
    assert_eq!((next.key.job, next.attempt), (lease.key.job, 2), "another takes over at once");
    let audit = slipway.api().get("/api/v1/audit").await.expect(200).body;
    assert!(audit.contains("runner.create") && audit.contains("runner.revoke"), "{audit}");
    assert!(!audit.contains(&one.token));
    slipway.api().delete("/api/v1/runners/nobody").await.expect(404);
}

/// What was handed out in an answer that never arrived is handed out again, as the same attempt; what has begun is not.
#[tokio::test]
async fn a_job_whose_answer_was_lost_is_handed_out_again() {
    let slipway = Slipway::start().await;
    queue(&slipway).await;
    let one = Puppet::of(&slipway, "one").await;
    let lost = one.lease().await;
    let again = one.lease().await;
    assert_eq!((&again.key, again.attempt), (&lost.key, 1));
    let named = ClaimRequest { holding: vec![again.key.clone()], ..one.request(1) };
    assert_eq!(one.coordinator.claim(named).await.unwrap(), ClaimReply::Idle);
    one.coordinator.declare_steps(&again.key, vec![step()]).await.unwrap();
    assert_eq!(one.coordinator.claim(one.request(1)).await.unwrap(), ClaimReply::Idle);
}

#[tokio::test]
async fn a_runner_s_token_opens_the_runner_s_routes_alone() {
    let slipway = Slipway::start().await;
    let one = Puppet::of(&slipway, "one").await;
    let (_, permissions) = http::routes().into_parts();
    let (runner, administrator) = (slipway.anonymous().bearing(&one.token), slipway.api());
    let mut of_runners = 0;
    for (verb, path, needs) in permissions.iter() {
        let address: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
        let address = address.join("/");
        match needs {
            Permission::Public => {}
            Permission::RunJobs => {
                assert_eq!(administrator.send(verb.method(), &address, None).await.status, 403, "{path}");
                of_runners += 1;
            }
            Permission::Read | Permission::Develop | Permission::Deploy | Permission::Administer => {
                assert_eq!(runner.send(verb.method(), &address, None).await.status, 403, "{verb:?} {path}");
            }
        }
    }
    assert!(of_runners >= 8, "only {of_runners} routes of runners were walked");
    let same_origin = slipway.anonymous().with("sec-fetch-site", "same-origin");
    let login = same_origin.submit("/login", &[("token", &one.token)]).await.expect(303);
    assert!(login.header("location").contains("unknown-token"), "it opens no session");
}

/// A body is bounded for its route, and nobody without a token has even a small one read.
#[tokio::test]
async fn bodies_are_bounded_and_read_for_runners_alone() {
    let slipway = Slipway::start().await;
    let one = Puppet::of(&slipway, "one").await;
    let runner = slipway.anonymous().bearing(&one.token);
    let large = json!({"runner": "x".repeat(300 * 1024)});
    runner.post("/api/runner/v1/claim", &large).await.expect(413);
    let nothing = slipway.anonymous().post("/api/runner/v1/claim", &json!({})).await.expect(401);
    assert!(!nothing.detail().is_empty());
    runner.post("/api/runner/v1/claim", &json!({"runner": 1})).await.expect(422);
}
