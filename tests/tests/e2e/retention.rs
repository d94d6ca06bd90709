//! Retention on both databases: what goes, what stays, and that readers notice nothing.

use std::collections::BTreeSet;

use slipway_pipelines::plan::ReleasePlan;
use slipway_runner::coordinator::{
    Coordinator as _, JobResult, KeptImages, Lease, LogChunk, LogLine, LogStream, StepResult,
};
use slipway_server::{
    ids::{StepId, TokenId},
    intake::Verdict,
    logs::{Found, Search},
    retention::{Collected, Going, Limits, Round, Watch, collect_now, compact_now, keep},
    store::{
        access_tokens::{self, NewToken},
        deliveries, events, jobs, logs, repositories, steps,
    },
};
use slipway_tests::{
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, artifact, built, digest, step, usual_plan},
    slipway::Slipway,
};

use crate::going_back::make_anew;

on_both_databases!(
    what_is_old_goes_and_what_is_needed_stays,
    a_rollback_and_a_promotion_still_find_everything,
    an_app_that_later_builds_left_out_keeps_its_build,
    a_deleted_branch_leaves_nothing,
    a_log_goes_before_its_build_and_says_so,
    payloads_go_before_deliveries,
    followers_of_old_events_go_on,
    a_moment_with_a_wrong_clock_keeps_nothing_for_ever,
    a_clock_that_is_set_ahead_lets_nothing_go_for_an_hour,
    revoked_tokens_are_forgotten_at_last,
    a_choice_removes_what_it_named_and_nothing_else,
    one_collects_at_a_time,
    joined_chunks_read_as_before,
    a_search_looks_at_a_part_of_a_long_log_at_a_time,
    a_runner_is_told_what_releases_hold,
);

const HOUR: i64 = 60 * 60 * 1_000;
const DAY: i64 = 24 * HOUR;

fn few() -> Limits {
    Limits { builds_keep: 2, releases_keep: 2, ..Limits::default() }
}

async fn collect(pipeline: &Pipeline, limits: Limits) -> Vec<Going> {
    let now = pipeline.store.clock().now();
    let round = Round::choose(&pipeline.store, limits, now).await.unwrap();
    match collect_now(&pipeline.store, &round).await.unwrap() {
        Collected::Done(going) => going,
        Collected::UnderWay => panic!("nobody else collects here"),
    }
}

fn names(going: &[Going], what: &str) -> Vec<String> {
    going.iter().filter(|going| going.what == what).map(|going| going.name.clone()).collect()
}

fn commit(number: i64) -> String {
    format!("{number:x}")
}

async fn numbers(pipeline: &Pipeline) -> Vec<i64> {
    let mut reader = pipeline.store.read().await.unwrap();
    let found =
        slipway_server::store::builds::list(&mut reader.conn(), &pipeline.repository.id, None, None, 1_000).await;
    let mut numbers: Vec<i64> = found.unwrap().iter().map(|build| build.number).collect();
    numbers.reverse();
    numbers
}

async fn what_is_old_goes_and_what_is_needed_stays(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built(&commit(1), built(&digest("1"), ReleasePlan::default())).await;
    for number in 2..=5 {
        pipeline.built(&commit(number), JobResult::Failed { reason: "no".to_owned() }).await;
    }
    assert_eq!(collect(&pipeline, few()).await, [], "everything is young");
    pipeline.clock.advance(91 * DAY);
    let waiting = pipeline.queue(&pipeline.push("main", &commit(6))).await;
    let going = collect(&pipeline, few()).await;
    assert_eq!(names(&going, "build"), ["acme/shop #2", "acme/shop #3", "acme/shop #4"]);
    assert_eq!(numbers(&pipeline).await, [1, 5, waiting.number], "the newest success, and the two newest");
    assert_eq!(names(&collect(&pipeline, few()).await, "build"), Vec::<String>::new());
}

async fn a_rollback_and_a_promotion_still_find_everything(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for number in 1..=6 {
        pipeline.queue(&pipeline.push("main", &commit(number))).await;
        let lease = pipeline.claim().await;
        pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
        let result = built(&digest(&commit(number)), usual_plan());
        pipeline.coordinator.finish_job(&lease.key, result).await.unwrap();
        pipeline.roll_out().await;
        if number == 1 {
            pipeline.promote("production").await.unwrap();
            pipeline.roll_out().await;
        }
    }
    pipeline.clock.advance(100 * DAY);
    let going = collect(&pipeline, few()).await;
    assert_eq!(names(&going, "release"), ["acme/shop dev #3", "acme/shop dev #2"], "1 is live in production");
    assert_eq!(names(&going, "build"), ["acme/shop #2", "acme/shop #3"]);
    assert_eq!(pipeline.live("production").await.unwrap().number, 1);
    // Back by two releases, one after the other, and forward again.
    let back = pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("dev").await.unwrap().content, pipeline.release("dev", 5).await.content);
    let further = pipeline.roll_back("dev", None).await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("dev").await.unwrap().content, pipeline.release("dev", 4).await.content);
    assert!(back.number < further.number);
    pipeline.promote("production").await.unwrap();
    pipeline.roll_out().await;
    assert_eq!(pipeline.live("production").await.unwrap().number, 2);
}

async fn an_app_that_later_builds_left_out_keeps_its_build(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let both = JobResult::Built {
        artifacts: vec![artifact("web", &digest("a")), artifact("api", &digest("b"))],
        release_plan: ReleasePlan::default(),
    };
    pipeline.built(&commit(1), both).await;
    for number in 2..=6 {
        pipeline.built(&commit(number), built(&digest(&commit(number)), ReleasePlan::default())).await;
    }
    pipeline.clock.advance(91 * DAY);
    collect(&pipeline, few()).await;
    assert_eq!(numbers(&pipeline).await, [1, 5, 6], "the newest api is of the first build");
}

async fn a_deleted_branch_leaves_nothing(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.queue(&pipeline.push("topic", "a")).await;
    let lease = pipeline.claim().await;
    pipeline.run_step(&lease.key, 0, StepResult::succeeded()).await;
    pipeline.coordinator.finish_job(&lease.key, built(&digest("a"), ReleasePlan::default())).await.unwrap();
    pipeline.clock.advance(91 * DAY);
    collect(&pipeline, few()).await;
    assert_eq!(numbers(&pipeline).await, [1], "the branch is there");
    pipeline.deliver(Verdict::RefDeleted { git_ref: "refs/heads/topic".to_owned() }).await;
    collect(&pipeline, few()).await;
    assert_eq!(numbers(&pipeline).await, [1], "it was deleted just now");
    pipeline.clock.advance(91 * DAY);
    collect(&pipeline, few()).await;
    assert_eq!(numbers(&pipeline).await, Vec::<i64>::new());
    let mut reader = pipeline.store.read().await.unwrap();
    assert_eq!(repositories::heads(&mut reader.conn(), &pipeline.repository.id, None, 10).await.unwrap(), []);
}

fn lines(chunk: i64, count: i64) -> Vec<LogLine> {
    (0..count)
        .map(|line| LogLine { at: 1, stream: LogStream::Out, text: format!("chunk {chunk} says line {line}") })
        .collect()
}

/// A build whose first step wrote so many chunks of so many lines.
async fn talkative(pipeline: &Pipeline, chunks: i64, count: i64) -> (Lease, StepId) {
    let number = pipeline.queue(&pipeline.push("main", "a")).await.number;
    let lease = pipeline.claim().await;
    pipeline.coordinator.declare_steps(&lease.key, vec![step(0)]).await.unwrap();
    pipeline.coordinator.start_step(&lease.key, 0).await.unwrap();
    for seq in 0..chunks {
        let chunk = LogChunk { seq, first_line: seq * count + 1, lines: lines(seq, count) };
        pipeline.coordinator.append_log(&lease.key, 0, chunk).await.unwrap();
    }
    let build = pipeline.build(number).await;
    let mut reader = pipeline.store.read().await.unwrap();
    let job = jobs::of_build(&mut reader.conn(), &build.id).await.unwrap().unwrap();
    let step = steps::at(&mut reader.conn(), &job.id, 1, 0).await.unwrap().unwrap();
    (lease, step.id)
}

async fn end(pipeline: &Pipeline, lease: &Lease) {
    pipeline.coordinator.finish_step(&lease.key, 0, StepResult::succeeded()).await.unwrap();
    let result = built(&digest("a"), ReleasePlan::default());
    pipeline.coordinator.finish_job(&lease.key, result).await.unwrap();
}

async fn texts(pipeline: &Pipeline, step: &StepId, from: i64, limit: usize) -> Vec<(i64, String)> {
    let found = logs::lines(&pipeline.store, step, from, limit).await.unwrap();
    found.into_iter().map(|line| (line.number, line.line.text)).collect()
}

async fn a_log_goes_before_its_build_and_says_so(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let (lease, step) = talkative(&pipeline, 120, 2).await;
    pipeline.clock.advance(31 * DAY);
    let going = collect(&pipeline, few()).await;
    assert_eq!(names(&going, "logs"), Vec::<String>::new(), "the step runs");
    end(&pipeline, &lease).await;
    pipeline.clock.advance(31 * DAY);
    let going = collect(&pipeline, few()).await;
    let gone = going.iter().find(|going| going.what == "logs").unwrap();
    assert!(gone.count == 1 && gone.bytes > 0, "{gone:?}");
    assert_eq!(numbers(&pipeline).await, [1]);
    assert_eq!(texts(&pipeline, &step, 1, 10).await, []);
    let mut reader = pipeline.store.read().await.unwrap();
    let known = steps::find(&mut reader.conn(), &step).await.unwrap().unwrap();
    assert_eq!(known.log_removed_at, Some(pipeline.store.clock().now()));
}

async fn payloads_go_before_deliveries(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.deliver(Verdict::Build(pipeline.push("main", "a"))).await;
    let all = async || {
        let mut reader = pipeline.store.read().await.unwrap();
        deliveries::list(&mut reader.conn(), deliveries::Which::default(), None, 10).await.unwrap()
    };
    let delivery = all().await.remove(0);
    pipeline.clock.advance(15 * DAY);
    collect(&pipeline, Limits::default()).await;
    let now = pipeline.store.clock().now();
    let mut reader = pipeline.store.read().await.unwrap();
    let payload = deliveries::payload(&mut reader.conn(), &delivery.id).await.unwrap().unwrap();
    assert_eq!(payload, deliveries::Payload::Removed { at: now });
    drop(reader);
    pipeline.clock.advance(80 * DAY);
    collect(&pipeline, Limits::default()).await;
    assert_eq!(all().await, []);
    assert_eq!(numbers(&pipeline).await, [1]);
}

async fn followers_of_old_events_go_on(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for _ in 0..300 {
        pipeline.emit("test.old").await;
    }
    let mut reader = pipeline.store.read().await.unwrap();
    let seen = events::last_id(&mut reader.conn()).await.unwrap();
    drop(reader);
    pipeline.clock.advance(31 * DAY);
    let going = collect(&pipeline, Limits::default()).await;
    assert_eq!(going.iter().find(|going| going.what == "events").unwrap().count, seen - 1);
    let left = pipeline.events().await;
    assert_eq!(left.iter().map(|event| event.id).collect::<Vec<_>>(), [seen], "the newest stays");
    pipeline.emit("test.new").await;
    let mut reader = pipeline.store.read().await.unwrap();
    let next = events::portion(&mut reader.conn(), seen, &events::EventFilter::default(), 10).await.unwrap();
    assert_eq!(next.events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["test.new"]);
}

async fn a_moment_with_a_wrong_clock_keeps_nothing_for_ever(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.emit("test.old").await;
    pipeline.clock.set_by(3 * 365 * DAY);
    // More than goes with one commit.
    for _ in 0..250 {
        pipeline.emit("test.wrong").await;
    }
    pipeline.clock.set_by(-3 * 365 * DAY);
    pipeline.emit("test.old").await;
    pipeline.clock.advance(31 * DAY);
    pipeline.emit("test.new").await;
    let seen = pipeline.events().await.len() as i64;
    let going = collect(&pipeline, Limits::default()).await;
    assert_eq!(going.iter().find(|going| going.what == "events").unwrap().count, seen - 1);
    let left = pipeline.events().await;
    assert_eq!(left.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["test.new"]);
}

async fn a_clock_that_is_set_ahead_lets_nothing_go_for_an_hour(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for number in 1..=5 {
        pipeline.built(&commit(number), JobResult::Failed { reason: "no".to_owned() }).await;
    }
    let watch = Watch::begin(&pipeline.store).await.unwrap();
    pipeline.clock.advance(2 * HOUR);
    keep(&pipeline.store, few(), &watch).await.unwrap();
    assert_eq!(watch.doubt(), None, "the time has passed");
    pipeline.clock.set_by(91 * DAY);
    keep(&pipeline.store, few(), &watch).await.unwrap();
    let said = watch.doubt().unwrap();
    assert!(said.starts_with("the clock was set forward by 2184 hours: "), "{said}");

    // Killed and started again, it does not forget.
    let watch = Watch::begin(&pipeline.store).await.unwrap();
    let said = watch.doubt().unwrap();
    assert!(said.starts_with("nothing was collected for 2184 hours before this start: "), "{said}");
    keep(&pipeline.store, few(), &watch).await.unwrap();
    assert_eq!(numbers(&pipeline).await, [1, 2, 3, 4, 5]);

    pipeline.clock.advance(HOUR);
    keep(&pipeline.store, few(), &watch).await.unwrap();
    assert_eq!(numbers(&pipeline).await, [4, 5], "an hour later the clock is believed");
}

async fn revoked_tokens_are_forgotten_at_last(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let (kept, revoked) = (TokenId::new(), TokenId::new());
    let mut tx = pipeline.store.write().await.unwrap();
    access_tokens::insert(&mut tx, NewToken::of_administrator(&kept, "kept", b"one")).await.unwrap();
    access_tokens::insert(&mut tx, NewToken::of_administrator(&revoked, "revoked", b"two")).await.unwrap();
    access_tokens::revoke(&mut tx, &revoked).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(names(&collect(&pipeline, Limits::default()).await, "tokens"), Vec::<String>::new());
    pipeline.clock.advance(200 * DAY);
    assert_eq!(names(&collect(&pipeline, Limits::default()).await, "tokens"), [""], "counted, not named");
    let left = access_tokens::list(&mut pipeline.store.read().await.unwrap().conn()).await.unwrap();
    assert_eq!(left.into_iter().map(|token| token.id).collect::<Vec<_>>(), [kept]);
}

async fn a_choice_removes_what_it_named_and_nothing_else(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    for number in 1..=5 {
        pipeline.built(&commit(number), JobResult::Failed { reason: "no".to_owned() }).await;
    }
    pipeline.clock.advance(91 * DAY);
    let now = pipeline.store.clock().now();
    let round = Round::choose(&pipeline.store, few(), now).await.unwrap();
    assert_eq!(numbers(&pipeline).await, [1, 2, 3, 4, 5], "a choice alone removes nothing");
    // Meanwhile the world goes on.
    pipeline.built(&commit(6), JobResult::Failed { reason: "no".to_owned() }).await;
    collect_now(&pipeline.store, &round).await.unwrap();
    let named: BTreeSet<String> = names(round.going(), "build").into_iter().collect();
    assert_eq!(named, BTreeSet::from(["acme/shop #1", "acme/shop #2", "acme/shop #3"].map(str::to_owned)));
    assert_eq!(numbers(&pipeline).await, [4, 5, 6]);
}

async fn one_collects_at_a_time(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", JobResult::Failed { reason: "no".to_owned() }).await;
    for _ in 0..200 {
        pipeline.emit("test.old").await;
    }
    pipeline.clock.advance(31 * DAY);
    let now = pipeline.store.clock().now();
    let round = Round::choose(&pipeline.store, few(), now).await.unwrap();
    let both = tokio::join!(collect_now(&pipeline.store, &round), collect_now(&pipeline.store, &round));
    let done = [both.0.unwrap(), both.1.unwrap()].into_iter().filter(|one| matches!(one, Collected::Done(_))).count();
    assert!(done >= 1, "at least one of them did it");
    assert_eq!(names(&collect(&pipeline, few()).await, "events"), Vec::<String>::new());
}

async fn joined_chunks_read_as_before(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let (lease, step) = talkative(&pipeline, 200, 3).await;
    assert_eq!(compact_now(&pipeline.store).await.unwrap(), 0, "the step runs");
    let before = texts(&pipeline, &step, 1, 10_000).await;
    assert_eq!(before.len(), 600);
    let found = search(&pipeline, &step, &before[298].1, 1).await;
    assert_eq!(found.lines[0].number, 299);
    end(&pipeline, &lease).await;
    // A reader who walks through it line by line meanwhile.
    let walk = async {
        let mut walked = Vec::new();
        while let Some(line) = texts(&pipeline, &step, i64::try_from(walked.len()).unwrap() + 1, 1).await.pop() {
            walked.push(line);
        }
        walked
    };
    let (walked, saved) = tokio::join!(walk, compact_now(&pipeline.store));
    assert!(walked == before, "the reader noticed");
    assert!(saved.unwrap() >= 190);
    assert!(texts(&pipeline, &step, 1, 10_000).await == before, "the lines are others");
    for from in [2, 3, 299, 500, 600] {
        let part = texts(&pipeline, &step, from, 2).await;
        let start = usize::try_from(from).unwrap() - 1;
        assert_eq!(part[..], before[start..before.len().min(start + 2)]);
    }
    assert_eq!(texts(&pipeline, &step, 601, 10).await, []);
    assert_eq!(search(&pipeline, &step, &before[298].1, 1).await, found);
    let mut reader = pipeline.store.read().await.unwrap();
    assert_eq!(logs::end(&mut reader.conn(), &step).await.unwrap().next_line, 601);
    drop(reader);
    assert_eq!(compact_now(&pipeline.store).await.unwrap(), 0);
}

async fn search(pipeline: &Pipeline, step: &StepId, text: &str, from: i64) -> Found {
    Search::of(text, false).unwrap().run(&pipeline.store, step, from, 100).await.unwrap()
}

async fn a_search_looks_at_a_part_of_a_long_log_at_a_time(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let (_lease, step) = talkative(&pipeline, 11, 10_000).await;
    let first = search(&pipeline, &step, "there is no such line", 1).await;
    let next = first.next.unwrap();
    assert!(first.lines.is_empty() && (100_001..110_001).contains(&next), "{next}");
    let rest = search(&pipeline, &step, "there is no such line", next).await;
    assert_eq!((rest.lines.len(), rest.next), (0, None));
}

async fn a_runner_is_told_what_releases_hold(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let release = async |number: i64| {
        pipeline.queue(&pipeline.push("main", &commit(number))).await;
        let lease = pipeline.claim().await;
        pipeline.succeed(&lease.key, &digest(&commit(number))).await;
        pipeline.roll_out().await;
    };
    for number in 1..=14 {
        release(number).await;
    }
    let asked: Vec<String> = (1..=20).map(|number| digest(&commit(number))).collect();
    let kept = async || {
        let question = KeptImages { runner: "one".to_owned(), digests: asked.clone() };
        pipeline.coordinator.kept_images(question).await.unwrap().into_iter().collect::<BTreeSet<String>>()
    };
    assert_eq!(kept().await, asked[3..14].iter().cloned().collect(), "what is live, and ten to go back to");

    // Back to what is older than those, and on from there: it is what the next rollback goes to.
    pipeline.roll_back("dev", Some(1)).await.unwrap();
    pipeline.roll_out().await;
    release(15).await;
    // What is made anew again and again takes the place of nothing to go back to.
    for _ in 0..12 {
        make_anew(&pipeline, "dev").await;
        pipeline.roll_out().await;
    }
    let expected: BTreeSet<String> = asked[5..15].iter().chain([&asked[0]]).cloned().collect();
    assert_eq!(kept().await, expected, "what is live, ten to go back to, and what was gone back to since");
    let nothing = KeptImages { runner: "one".to_owned(), digests: vec![] };
    assert_eq!(pipeline.coordinator.kept_images(nothing).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_command_says_what_goes_and_the_api_shows_the_limits() {
    let slipway = Slipway::start().await;
    let shown = slipway.api().get("/api/v1/retention").await.expect(200).json();
    assert_eq!(
        (shown["limits"]["logs_days"].as_i64(), shown["limits"]["releases_keep"].as_i64()),
        (Some(30), Some(10))
    );
    let said = slipway.command(&["gc", "--dry-run"], "").await;
    assert_eq!(String::from_utf8_lossy(&said.stdout), "0 B would go; nothing was removed.\n");
    let said = slipway.command(&["gc", "--json"], "").await;
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((said["done"].as_bool(), said["items"].as_array().map(Vec::len)), (Some(true), Some(0)));
    let audit = slipway.api().get("/api/v1/audit").await.expect(200).json();
    assert_eq!(audit["items"][0]["action"], "retention.collect");
    let shown = slipway.api().get("/api/v1/retention").await.expect(200).json();
    assert!(shown["collected_at"].is_string());
}
