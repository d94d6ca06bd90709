//! Which runner gets what: the labels that builds need, and the runner that hosts an environment.

use std::{collections::BTreeMap, sync::Arc};

use slipway_runner::coordinator::{ClaimReply, ClaimRequest, Coordinator, Hello, LeaseKey, PROTOCOL, Work};
use slipway_server::{
    ids::JobId,
    queue::waits_for,
    store::{environments, jobs, placement},
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, built, usual_plan},
    slipway::Slipway,
};

on_both_databases!(builds_go_where_their_labels_are, rollouts_go_where_their_environment_is,);

async fn announce(pipeline: &Pipeline, runner: &str, labels: &[(&str, &str)], builds_only: bool) {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    pipeline.coordinator.register(Hello { labels, builds_only, ..hello(runner) }).await.unwrap();
}

fn hello(runner: &str) -> Hello {
    Hello {
        runner: runner.to_owned(),
        name: runner.to_owned(),
        incarnation: "life".to_owned(),
        capacity: 1,
        version: "0.1.0".to_owned(),
        resuming: vec![],
        protocol: PROTOCOL,
        labels: BTreeMap::new(),
        builds_only: false,
    }
}

/// What the runner gets, if there is something for it.
async fn claim(pipeline: &Pipeline, runner: &str) -> Option<(LeaseKey, Work)> {
    let request = ClaimRequest {
        runner: runner.to_owned(),
        incarnation: "life".to_owned(),
        free: 1,
        holding: vec![],
        wait_ms: 0,
        draining: false,
        hindrance: None,
    };
    match pipeline.coordinator.claim(request).await.unwrap() {
        ClaimReply::Work { lease } => Some((lease.key, lease.work)),
        _ => None,
    }
}

/// Why the only waiting job waits.
async fn reason(pipeline: &Pipeline) -> String {
    let mut reader = pipeline.store.read().await.unwrap();
    let conn = &mut reader.conn();
    let [job]: [_; 1] = jobs::queued(conn, 10).await.unwrap().try_into().unwrap();
    let now = pipeline.store.lease_time().await.unwrap();
    waits_for(conn, &job, now).await.unwrap().unwrap()
}

async fn builds_go_where_their_labels_are(database: TestDatabase) {
    let pipeline = Pipeline::without_runner(database).await;
    let needed = [("gpu".to_owned(), "yes".to_owned()), ("os".to_owned(), "linux".to_owned())].into();
    let mut tx = pipeline.store.write().await.unwrap();
    placement::need_labels(&mut tx, &pipeline.repository.id, &needed).await.unwrap();
    tx.commit().await.unwrap();
    pipeline.queue(&pipeline.push("main", "a")).await;

    announce(&pipeline, "plain", &[("os", "linux")], false).await;
    assert!(claim(&pipeline, "plain").await.is_none());
    let alone = "waiting for a runner with the labels gpu=yes, os=linux; the only runner does not have them";
    assert_eq!(reason(&pipeline).await, alone);
    announce(&pipeline, "other", &[("os", "linux"), ("gpu", "no")], false).await;
    assert!(claim(&pipeline, "other").await.is_none(), "a label is its key and its value");
    assert!(reason(&pipeline).await.ends_with("none of the 2 runners has them"));
    announce(&pipeline, "fast", &[("os", "linux"), ("gpu", "yes"), ("disk", "big")], true).await;
    assert!(reason(&pipeline).await.starts_with("waiting for a free runner"));
    assert!(claim(&pipeline, "fast").await.is_some());
}

async fn rollouts_go_where_their_environment_is(database: TestDatabase) {
    let pipeline = Arc::new(Pipeline::new(database).await);
    pipeline.live_in_dev("a").await;
    let mut reader = pipeline.store.read().await.unwrap();
    let dev = environments::by_name(&mut reader.conn(), &pipeline.repository.id, "dev").await.unwrap().unwrap();
    let host = placement::host(&mut reader.conn(), &dev.id).await.unwrap();
    drop(reader);
    assert_eq!(host.as_deref(), Some("one"), "the runner of the first rollout has it");

    announce(&pipeline, "builder", &[], true).await;
    announce(&pipeline, "other", &[], false).await;
    pipeline.built("b", built("sha256:b", usual_plan())).await;
    assert!(claim(&pipeline, "builder").await.is_none());
    assert!(claim(&pipeline, "other").await.is_none(), "its engine does not have the environment");

    // Its host is gone, and somebody gives the environment to another.
    pipeline.clock.advance(61_000);
    announce(&pipeline, "builder", &[], true).await;
    announce(&pipeline, "other", &[], false).await;
    let waits = reason(&pipeline).await;
    assert!(waits.starts_with("waiting for the runner one, which hosts dev and is silent; "), "{waits}");
    let mut tx = pipeline.store.write().await.unwrap();
    placement::set_host(&mut tx, &dev.id, Some("other")).await.unwrap();
    tx.commit().await.unwrap();
    assert!(claim(&pipeline, "builder").await.is_none(), "it takes builds alone");
    let (lease, work) = claim(&pipeline, "other").await.expect("the rollout");
    assert!(matches!(work, Work::Rollout(_)));
    assert!(lease.job.parse::<JobId>().is_ok());
}

#[tokio::test]
async fn where_jobs_run_is_set_by_command() {
    let slipway = Slipway::start().await;
    slipway.connect("shop/web", "https://git.example/shop/web.git").await;
    let set = slipway.command(&["repository", "set", "shop/web", "--runner-label", "gpu=yes"], "").await;
    assert!(set.status.success(), "{set:?}");
    let path = "/api/v1/repositories/shop/web/runner-labels";
    assert_eq!(slipway.api().get(path).await.expect(200).json()["labels"]["gpu"], "yes");
    assert!(slipway.command(&["repository", "set", "shop/web", "--any-runner"], "").await.status.success());
    assert_eq!(slipway.api().get(path).await.expect(200).json(), serde_json::json!({"labels": {}}));
    let odd = slipway.command(&["repository", "set", "shop/web", "--runner-label", "a b=c"], "").await;
    assert!(String::from_utf8_lossy(&odd.stderr).contains("is no label's key"), "{odd:?}");

    let made = slipway.command(&["runner", "create", "big-one", "--label", "disk=fast"], "").await;
    let token = String::from_utf8(made.stdout).unwrap();
    assert!(token.starts_with("slipway_runner_"), "{token}");
    let listed = slipway.command(&["runner", "list"], "").await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.starts_with("big-one  expected  0 of 0 jobs  disk=fast"), "{listed}");
    let twice = slipway.command(&["runner", "create", "big-one"], "").await;
    assert!(String::from_utf8_lossy(&twice.stderr).contains("There is a runner big-one already"), "{twice:?}");
    assert!(slipway.command(&["runner", "revoke", "big-one"], "").await.status.success());
    assert!(slipway.command(&["runner", "list"], "").await.stdout.is_empty());
}
