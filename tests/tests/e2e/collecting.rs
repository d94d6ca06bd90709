//! `slipway gc` asks every runner what it keeps between jobs, and says what of it goes.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use slipway_runner::coordinator::{ClaimReply, CollectionOrder, CollectionReport, Coordinator as _, Leaving, Stored};
use slipway_server::runners::{Answered, ask_to_collect};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::Pipeline,
    remote_runner::RemoteRunner,
    set_clock::SetClock,
    slipway::{Setup, Slipway},
    wait::until,
};

on_both_databases!(
    an_order_reaches_its_runner_once_and_its_answer_whoever_gave_it,
    who_does_not_answer_is_named_and_asked_no_more,
);

const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than anything is kept unused.
const LONG_AGO: Duration = Duration::from_secs(100 * 24 * 60 * 60);

async fn order(pipeline: &Pipeline, wait_ms: u64) -> Option<CollectionOrder> {
    match pipeline.coordinator.claim(pipeline.request(wait_ms)).await.unwrap() {
        ClaimReply::Collect { order } => Some(order),
        ClaimReply::Idle => None,
        other => panic!("there is no job: {other:?}"),
    }
}

fn report(runner: &str, order: &CollectionOrder, bytes: u64) -> CollectionReport {
    let mut stored = Stored { what: "mirror".to_owned(), count: 1, bytes, ..Stored::default() };
    stored.note(Leaving { name: "OLD".to_owned(), bytes, reason: "not used for long".to_owned() });
    CollectionReport { runner: runner.to_owned(), order: order.id.clone(), stored: vec![stored] }
}

async fn an_order_reaches_its_runner_once_and_its_answer_whoever_gave_it(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let asking = tokio::spawn({
        let store = pipeline.store.clone();
        async move { ask_to_collect(&store, true, PATIENCE).await.unwrap() }
    });
    let given = order(&pipeline, 60_000).await.expect("the order");
    assert!(given.dry_run);
    assert_eq!(order(&pipeline, 0).await, None, "it was handed out");
    let answered = report("one", &given, 5_000);
    for report in [report("another", &given, 1), answered.clone(), report("one", &given, 7)] {
        pipeline.coordinator.collected(report).await.unwrap();
    }
    let answers = asking.await.unwrap();
    assert_eq!(answers, [Answered { runner: "one".to_owned(), stored: Some(answered.stored.clone()) }]);
    // Told again after a lost answer, it is taken and changes nothing.
    pipeline.coordinator.collected(answered.clone()).await.unwrap();
    let mut endless = answered;
    endless.stored[0].going = vec![endless.stored[0].going[0].clone(); Stored::MOST_NAMED + 1];
    pipeline.coordinator.collected(endless).await.unwrap_err();
}

async fn who_does_not_answer_is_named_and_asked_no_more(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let unanswered = [Answered { runner: "one".to_owned(), stored: None }];
    // One that is there, and does not understand the question.
    let soon = Duration::from_millis(10);
    assert_eq!(ask_to_collect(&pipeline.store, false, soon).await.unwrap(), unanswered);
    assert_eq!(order(&pipeline, 0).await, None, "nobody waits for it any more");
    // One that is away is not waited for.
    pipeline.clock.advance(120_000);
    assert_eq!(ask_to_collect(&pipeline.store, false, PATIENCE).await.unwrap(), unanswered);
    assert_eq!(order(&pipeline, 0).await, None);
}

/// A mirror of a repository that was last built long ago, as an earlier life of the runner left it.
fn old_mirror(runner: &Path) -> PathBuf {
    let mirror = runner.join("mirrors/OLD.git");
    fs::create_dir_all(&mirror).unwrap();
    fs::write(mirror.join("pack"), [0; 5_000]).unwrap();
    let record = runner.join("records/repositories/OLD");
    fs::create_dir_all(record.parent().unwrap()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the age of a file is measured by the machine's clock")]
    fs::File::create(record).unwrap().set_modified(SystemTime::now() - LONG_AGO).unwrap();
    mirror
}

async fn gc(slipway: &Slipway, more: &[&str]) -> String {
    let said = slipway.command(&[&["gc"], more].concat(), "").await;
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap()
}

/// Waits until so many runners are there.
async fn present(slipway: &Slipway, runners: usize) {
    until("the runners", PATIENCE, async || {
        let found = slipway.api().get("/api/v1/runners").await.expect(200).json();
        let present = found["items"].as_array()?.iter().filter(|runner| runner["state"] == "present").count();
        (present == runners).then_some(())
    })
    .await;
}

#[tokio::test]
async fn after_a_clock_was_set_nothing_goes_for_its_age_and_people_are_told() {
    let clock = SetClock::new();
    let slipway = clock.of(Setup::new().with_runner()).start().await;
    present(&slipway, 1).await;
    let runner = slipway.data_dir().join("runner");
    let mirror = runner.join("mirrors/NEW.git");
    fs::create_dir_all(&mirror).unwrap();
    fs::write(runner.join("records/repositories/NEW"), "").unwrap();
    clock.set_by(40 * 24 * 60 * 60);
    // It has to be heard of by the new time.
    present(&slipway, 1).await;
    let said = gc(&slipway, &["--dry-run"]).await;
    let doubt = "the clock was set forward by 960 hours: nothing goes for its age for another ";
    assert!(said.contains(&format!("Nothing goes now: {doubt}")), "{said}");
    assert!(said.contains(&format!("Runner embedded:\n  {doubt}")), "{said}");
    assert!(said.contains("  mirror: 1 (0 B), 0 (0 B) would go\n"), "{said}");
    let refused = slipway.command(&["gc"], "").await;
    let reason = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && reason.contains("Nothing is collected now: the clock was set"), "{reason}");
    assert!(mirror.exists());
}

#[tokio::test]
async fn the_runner_within_and_one_on_another_machine_say_what_goes_and_remove_it() {
    let slipway = Setup::new().with_runner().start().await;
    let mut away = RemoteRunner::admit(&slipway, "away", &[]).await;
    away.start(&slipway).await;
    present(&slipway, 2).await;
    let mirrors = [slipway.data_dir().join("runner"), away.data_dir()].map(|folder| old_mirror(&folder));
    let said: Value = serde_json::from_str(&gc(&slipway, &["--dry-run", "--json"]).await).unwrap();
    let runners = said["runners"].as_array().unwrap();
    assert_eq!(runners.len(), 2, "{said:#}");
    let leaving = json!([{"name": "OLD", "bytes": 5_000, "reason": "not used for long"}]);
    for runner in runners {
        assert_eq!(runner["answered"], true, "{said:#}");
        let mirror = &runner["stored"][2];
        assert_eq!((&mirror["what"], &mirror["count"], &mirror["going"]), (&json!("mirror"), &json!(1), &leaving));
    }
    assert!(mirrors.iter().all(|mirror| mirror.exists()), "a dry run removes nothing");
    let went = gc(&slipway, &[]).await;
    assert!(went.contains("Runner away:\n"), "{went}");
    let of_both = "  mirror: 1 (4 KiB), 1 (4 KiB) went\n    OLD  4 KiB  not used for long\n";
    assert_eq!(went.matches(of_both).count(), 2, "{went}");
    assert!(!mirrors.iter().any(|mirror| mirror.exists()));
    assert!(gc(&slipway, &["--dry-run"]).await.contains("  mirror: 0 (0 B), 0 (0 B) would go\n"));
    away.kill().await;
}
