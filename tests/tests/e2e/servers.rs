//! Several servers on one PostgreSQL database, and what happens when its connections break.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use slipway_runner::coordinator::{ClaimReply, ClaimRequest, Coordinator};
use slipway_server::{
    clock::{Clock, SystemClock},
    intake::{Intake, Received, Verdict},
    queue::{NoCredentials, ServerCoordinator, Timing, rescue},
    store::Store,
};
use slipway_tests::{databases::TestDatabase, pipeline::Pipeline};
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;

async fn rings(bell: &mut watch::Receiver<u64>) {
    tokio::time::timeout(Duration::from_secs(20), bell.changed()).await.expect("the bell never rang").unwrap();
}

/// Another server on the pipeline's database, once it listens.
async fn another_server(pipeline: &Pipeline, url: &str) -> (Store, ServerCoordinator) {
    let store = Store::open(url, pipeline.store.clock().clone()).await.unwrap();
    rings(&mut store.bells().queue()).await;
    let coordinator = ServerCoordinator::new(store.clone(), Arc::new(NoCredentials), Timing::default());
    (store, coordinator)
}

async fn woken(coordinator: &ServerCoordinator, request: ClaimRequest, cause: impl Future) -> ClaimReply {
    let waiting = {
        let coordinator = coordinator.clone();
        tokio::spawn(async move { coordinator.claim(request).await.unwrap() })
    };
    cause.await;
    tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("nothing woke it").unwrap()
}

/// What one server queues, another's waiting runner gets at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_at_one_server_is_woken_by_a_push_at_another() {
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let here = Pipeline::new(database).await;
    let (there, coordinator) = another_server(&here, &url).await;
    let reply = woken(&coordinator, here.request(30_000), here.queue(&here.push("main", "a"))).await;
    assert!(matches!(reply, ClaimReply::Work { .. }), "{reply:?}");
    there.close().await;
}

/// Both servers get the same delivery at the same time: it is stored once, and built once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_to_two_servers_at_once_is_stored_once() {
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let here = Pipeline::new(database).await;
    let (store, _) = another_server(&here, &url).await;
    let there = Intake::start(store);
    for number in 0..20 {
        let delivery = slipway_server::intake::NewDelivery {
            repository: here.repository.id.clone(),
            forge_id: format!("forge-{number}"),
            event: "push".to_owned(),
            headers: BTreeMap::default(),
            payload: "{}".into(),
            verdict: Verdict::Build(here.push(&format!("topic-{number}"), "a")),
        };
        let (one, other) = tokio::join!(here.intake.store(delivery.clone()), there.store(delivery));
        let (one, other) = (one.unwrap(), other.unwrap());
        let stored = |received: &Received| matches!(received, Received::Stored { ignored: None, .. });
        assert!(stored(&one) != stored(&other), "{one:?} {other:?}");
    }
    assert_eq!(here.event_kinds("build.queued").await.len(), 20);
}

/// The database drops every connection: the next delivery is stored all the same, and the servers hear of each other
/// again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_are_made_again() {
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let here = Pipeline::new(database).await;
    let (there, coordinator) = another_server(&here, &url).await;
    let mut bell = there.bells().queue();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    bell.borrow_and_update();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    rings(&mut bell).await;
    let delivered = here.deliver(Verdict::Build(here.push("main", "a"))).await;
    assert!(matches!(delivered, Received::Stored { build: Some(1), .. }), "{delivered:?}");
    let reply = coordinator.claim(here.request(10_000)).await.unwrap();
    assert!(matches!(reply, ClaimReply::Work { .. }), "{reply:?}");
    let reply = woken(&coordinator, here.request(30_000), here.queue(&here.push("topic", "b"))).await;
    assert!(matches!(reply, ClaimReply::Work { .. }), "{reply:?}");
}

/// The clock of a machine that is wrong by so many milliseconds.
struct Wrong(i64);

impl Clock for Wrong {
    fn now(&self) -> i64 {
        SystemClock.now() + self.0
    }

    fn gives_way(&self) -> bool {
        SystemClock.gives_way()
    }
}

/// One server's clock is an hour behind, another's an hour ahead: no runner loses a job by that.
#[tokio::test]
async fn leases_end_by_the_clock_that_servers_share() {
    const HOUR: i64 = 3_600_000;
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let pipeline = Pipeline::without_runner(database).await;
    pipeline.queue(&pipeline.push("main", "a")).await;
    let behind = Store::open(&url, Arc::new(Wrong(-HOUR))).await.unwrap();
    let ahead = Store::open(&url, Arc::new(Wrong(HOUR))).await.unwrap();
    let coordinator = ServerCoordinator::new(behind.clone(), Arc::new(NoCredentials), Timing::default());
    coordinator.register(pipeline.hello("one", "first life", &[])).await.unwrap();
    let reply = coordinator.claim(pipeline.request(0)).await.unwrap();
    assert!(matches!(reply, ClaimReply::Work { .. }), "{reply:?}");
    assert_eq!(rescue(&ahead).await.unwrap(), 0);
    assert!((SystemClock.now() - ahead.lease_time().await.unwrap()).abs() < HOUR / 2);
    behind.close().await;
    ahead.close().await;
}
