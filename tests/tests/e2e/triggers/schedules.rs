//! Schedules: kept once each, whatever restarts and however many servers there are.

use std::{future::poll_fn, task::Poll, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::json;
use slipway_pipelines::{config::Schedule, plan::ReleasePlan};
use slipway_runner::coordinator::{COMMIT, Coordinator, StepDeclaration, StepKind, StepResult, Work};
use slipway_server::{
    clock::{Clock, SystemClock},
    schedules::{fire_due, pause, realign, resume, run_keeper},
    store::{self, Store, schedules},
};
use slipway_tests::{
    databases::TestDatabase,
    house::{House, LONG},
    on_both_databases,
    pipeline::{Pipeline, built, usual_plan},
    slipway::Setup,
    wait::until,
    working_tree::WorkingTree,
};
use tokio_util::sync::CancellationToken;

on_both_databases!(
    the_default_branch_s_schedules_are_taken_over_changed_and_removed,
    a_time_is_kept_once_and_of_missed_ones_the_newest,
    a_paused_schedule_waits_and_makes_up_for_nothing,
    the_clocks_change_and_each_day_s_time_comes_once,
    a_time_whose_keeping_is_cut_off_is_kept_whole_or_not_at_all,
    a_server_that_is_killed_when_a_time_comes_keeps_it_once,
    a_clock_that_went_ahead_and_came_back_silences_nothing,
);

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn nightly(cron: &str) -> Schedule {
    Schedule { name: "nightly".to_owned(), cron: cron.to_owned(), timezone: "UTC".to_owned(), branch: None }
}

fn plan(schedules: &[Schedule]) -> ReleasePlan {
    ReleasePlan { environments: Vec::new(), schedules: schedules.to_vec(), ..usual_plan() }
}

async fn of(pipeline: &Pipeline) -> Vec<schedules::Schedule> {
    let mut reader = pipeline.store.read().await.unwrap();
    schedules::of_repository(&mut reader.conn(), &pipeline.repository.id).await.unwrap()
}

async fn the_schedule(pipeline: &Pipeline) -> schedules::Schedule {
    of(pipeline).await.pop().expect("a schedule")
}

/// The numbers of the builds that schedules caused, newest first.
async fn scheduled(pipeline: &Pipeline) -> Vec<i64> {
    let mut reader = pipeline.store.read().await.unwrap();
    let builds = store::builds::list(&mut reader.conn(), &pipeline.repository.id, None, None, 1_000).await.unwrap();
    builds.into_iter().filter(|build| build.event == "schedule").map(|build| build.number).collect()
}

async fn last(pipeline: &Pipeline) -> schedules::Fire {
    let id = the_schedule(pipeline).await.id;
    let mut reader = pipeline.store.read().await.unwrap();
    schedules::last_fire(&mut reader.conn(), &id).await.unwrap().expect("it was kept")
}

async fn the_default_branch_s_schedules_are_taken_over_changed_and_removed(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let weekly = Schedule { name: "weekly".to_owned(), branch: Some("release".to_owned()), ..nightly("@weekly") };
    pipeline.built("a", built("sha256:a", plan(&[nightly("0 2 * * *"), weekly.clone()]))).await;
    let found = of(&pipeline).await;
    let named: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.branch.as_str())).collect();
    assert_eq!(named, [("nightly", "main"), ("weekly", "release")]);
    let next = found[0].next_at.expect("a next time");
    assert_eq!(next % DAY, 120 * MINUTE, "two o'clock");

    pipeline.clock.advance(MINUTE);
    pipeline.built("b", built("sha256:b", plan(&[nightly("0 2 * * *"), weekly]))).await;
    assert_eq!(of(&pipeline).await, found, "what stays as it is keeps its time");
    pipeline.built("c", built("sha256:c", plan(&[nightly("30 2 * * *")]))).await;
    let changed = of(&pipeline).await;
    assert_eq!(changed.len(), 1, "what captain.yml no longer names is gone");
    assert_eq!((&changed[0].id, changed[0].next_at.unwrap() % DAY), (&found[0].id, 150 * MINUTE));
}

async fn a_time_is_kept_once_and_of_missed_ones_the_newest(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", built("sha256:a", plan(&[nightly("0 2 * * *")]))).await;
    let due = the_schedule(&pipeline).await.next_at.unwrap();
    let now = pipeline.store.clock().now();
    assert_eq!(fire_due(&pipeline.store).await.unwrap(), Some(due), "it is not due yet");
    assert_eq!(scheduled(&pipeline).await, [] as [i64; 0]);

    pipeline.clock.advance(due - now);
    assert_eq!(fire_due(&pipeline.store).await.unwrap(), Some(due + DAY));
    assert_eq!(scheduled(&pipeline).await, [2]);
    fire_due(&pipeline.store).await.unwrap();
    pipeline.clock.set_by(-5 * MINUTE);
    fire_due(&pipeline.store).await.unwrap();
    assert_eq!(scheduled(&pipeline).await, [2], "also when the clock is set back");
    assert_eq!((last(&pipeline).await.slot, last(&pipeline).await.missed), (due, 0));

    // Down for days: the newest of the times that passed is made up for.
    pipeline.clock.advance(3 * DAY + 60 * MINUTE);
    assert_eq!(fire_due(&pipeline.store).await.unwrap(), Some(due + 4 * DAY));
    assert_eq!(scheduled(&pipeline).await, [3, 2]);
    assert_eq!((last(&pipeline).await.slot, last(&pipeline).await.missed), (due + 3 * DAY, 2));

    // What the branch stands at is known once the runner has looked.
    let lease = pipeline.claim().await;
    let Work::Build(work) = &lease.work else { panic!("a build was expected") };
    assert_eq!((work.event.as_str(), work.git_ref.as_str(), work.commit.as_str()), ("schedule", "refs/heads/main", ""));
    let checkout = StepDeclaration {
        index: 0,
        app: None,
        kind: StepKind::Checkout,
        name: "checkout".to_owned(),
        needs: vec![],
        skipped: None,
        taken_over: false,
    };
    pipeline.coordinator.declare_steps(&lease.key, vec![checkout]).await.unwrap();
    pipeline.coordinator.start_step(&lease.key, 0).await.unwrap();
    let facts = StepResult::succeeded().with(COMMIT, "b".repeat(40)).with("author", "Ada").with("message", "A change");
    pipeline.coordinator.finish_step(&lease.key, 0, facts).await.unwrap();
    let build = pipeline.build(2).await;
    assert_eq!((build.commit_sha, build.author.as_str(), build.message.as_str()), ("b".repeat(40), "Ada", "A change"));
}

async fn a_paused_schedule_waits_and_makes_up_for_nothing(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", built("sha256:a", plan(&[nightly("0 2 * * *")]))).await;
    let change = async |is_paused: bool| {
        let schedule = the_schedule(&pipeline).await;
        let mut tx = pipeline.store.write().await.unwrap();
        if is_paused { pause(&mut tx, &schedule).await } else { resume(&mut tx, &schedule).await }.unwrap();
        tx.commit().await.unwrap();
    };
    let due = the_schedule(&pipeline).await.next_at.unwrap();
    change(true).await;
    pipeline.built("b", built("sha256:b", plan(&[nightly("0 3 * * *")]))).await;
    assert_eq!(the_schedule(&pipeline).await.next_at, None, "a commit does not let it go on");
    pipeline.clock.advance(3 * DAY);
    assert_eq!(fire_due(&pipeline.store).await.unwrap(), None);
    change(false).await;
    let next = the_schedule(&pipeline).await.next_at.unwrap();
    assert!(next > due + 2 * DAY && next % DAY == 180 * MINUTE, "{next}");
    fire_due(&pipeline.store).await.unwrap();
    assert_eq!(scheduled(&pipeline).await, [] as [i64; 0]);
}

/// Looks every ten minutes for two days; returns the times that were kept, in UTC.
async fn kept_from(pipeline: &Pipeline, noon: &str) -> Vec<String> {
    let moment = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp_millis();
    let change = async |is_paused: bool| {
        let schedule = the_schedule(pipeline).await;
        let mut tx = pipeline.store.write().await.unwrap();
        if is_paused { pause(&mut tx, &schedule).await } else { resume(&mut tx, &schedule).await }.unwrap();
        tx.commit().await.unwrap();
    };
    change(true).await;
    pipeline.clock.advance(moment(noon) - pipeline.store.clock().now());
    change(false).await;
    let before = scheduled(pipeline).await.len();
    let mut kept = Vec::new();
    for _ in 0..2 * DAY / (10 * MINUTE) {
        pipeline.clock.advance(10 * MINUTE);
        fire_due(&pipeline.store).await.unwrap();
        let so_far = scheduled(pipeline).await.len() - before;
        if so_far > kept.len() {
            let last = last(pipeline).await;
            assert_eq!((so_far, last.missed), (kept.len() + 1, 0));
            kept.push(DateTime::from_timestamp_millis(last.slot).unwrap().format("%d %H:%M").to_string());
        }
    }
    kept
}

async fn the_clocks_change_and_each_day_s_time_comes_once(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    let schedule = Schedule { timezone: "Europe/Madrid".to_owned(), ..nightly("30 2 * * *") };
    pipeline.built("a", built("sha256:a", plan(&[schedule]))).await;
    // On the 25th of October 2026 there are two half past two; the first one counts.
    assert_eq!(kept_from(&pipeline, "2026-10-24T12:00:00Z").await, ["25 00:30", "26 01:30"]);
    // On the 28th of March 2027 there is none: it comes as soon as the gap is over.
    assert_eq!(kept_from(&pipeline, "2027-03-27T12:00:00Z").await, ["28 01:00", "29 00:30"]);
}

/// Cut off at any moment, as by `kill -9`: the build, the note that the time was kept and the next time are there
/// together, or none of them is.
async fn a_time_whose_keeping_is_cut_off_is_kept_whole_or_not_at_all(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", built("sha256:a", plan(&[nightly("0 2 * * *")]))).await;
    for time in 1..=5 {
        let due = the_schedule(&pipeline).await.next_at.unwrap();
        pipeline.clock.advance(due - pipeline.store.clock().now());
        for wakes in 0.. {
            let is_done = cut_off(wakes, fire_due(&pipeline.store)).await;
            let (builds, next_at) = (scheduled(&pipeline).await.len(), the_schedule(&pipeline).await.next_at.unwrap());
            if next_at == due {
                assert_eq!((is_done, builds), (false, time - 1), "cut off after {wakes} wakes");
                continue;
            }
            assert_eq!((builds, next_at, last(&pipeline).await.slot), (time, due + DAY, due));
            break;
        }
    }
}

/// Lets a future go on for so many wakes and drops it then; true when it was done.
async fn cut_off<F: Future>(after: usize, future: F) -> bool {
    let mut future = std::pin::pin!(future);
    let mut left = after;
    poll_fn(|context| {
        let Some(fewer) = left.checked_sub(1) else { return Poll::Ready(false) };
        left = fewer;
        future.as_mut().poll(context).map(|_| true)
    })
    .await
}

/// The real product, started when a time has passed and killed in the midst of making up for it.
async fn a_server_that_is_killed_when_a_time_comes_keeps_it_once(database: TestDatabase) {
    let url = database.url().to_owned();
    let pipeline = Pipeline::new(database).await;
    let now = SystemClock.now();
    pipeline.clock.advance(now - 3 * DAY - pipeline.store.clock().now());
    // Far from now, so that no further time comes while this runs.
    let hour = (now / (60 * MINUTE) + 12) % 24;
    let mut slipway = Setup::new().with("SLIPWAY_DATABASE", &url).start().await;
    slipway.kill().await;
    for (time, commit) in (1..).zip(["a", "b", "c", "d"]) {
        let daily = nightly(&format!("{time} {hour} * * *"));
        pipeline.built(commit, built("sha256:a", plan(&[daily]))).await;
        slipway.restart().await;
        slipway.kill().await;
        slipway.restart().await;
        until("the time to be kept", LONG, async || (scheduled(&pipeline).await.len() == time).then_some(())).await;
        assert_eq!(last(&pipeline).await.missed, 2, "of three days the newest is made up for");
        slipway.kill().await;
    }
}

async fn a_clock_that_went_ahead_and_came_back_silences_nothing(database: TestDatabase) {
    let pipeline = Pipeline::new(database).await;
    pipeline.built("a", built("sha256:a", plan(&[nightly("0 2 * * *")]))).await;
    let due = the_schedule(&pipeline).await.next_at.unwrap();
    pipeline.clock.advance(due - pipeline.store.clock().now());
    fire_due(&pipeline.store).await.unwrap();
    realign(&pipeline.store).await.unwrap();
    assert_eq!(the_schedule(&pipeline).await.next_at, Some(due + DAY), "it waits for the right time");

    // A year ahead, and back to an hour before the time that was kept.
    pipeline.clock.advance(365 * DAY);
    fire_due(&pipeline.store).await.unwrap();
    assert_eq!(the_schedule(&pipeline).await.next_at, Some(due + 366 * DAY));
    pipeline.clock.set_by(-365 * DAY - 60 * MINUTE);
    realign(&pipeline.store).await.unwrap();
    assert_eq!(the_schedule(&pipeline).await.next_at, Some(due + DAY), "the next one, and not the kept one again");
    pipeline.clock.advance(DAY + 60 * MINUTE);
    fire_due(&pipeline.store).await.unwrap();
    assert_eq!((scheduled(&pipeline).await.len(), the_schedule(&pipeline).await.next_at), (3, Some(due + 2 * DAY)));
}

/// Two servers, each with its keeper, on one database: both wake for the same times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_keep_each_time_once() {
    let database = TestDatabase::postgres().await;
    let url = database.url().to_owned();
    let here = Pipeline::new(database).await;
    let there = Store::open(&url, here.clock.clone()).await.unwrap();
    let stop = CancellationToken::new();
    let keepers: Vec<_> = [here.store.clone(), there.clone()]
        .into_iter()
        .flat_map(|store| [store.clone(), store])
        .map(|store| tokio::spawn(run_keeper(store, stop.clone())))
        .collect();
    here.built("a", built("sha256:a", plan(&[nightly("* * * * *")]))).await;
    for time in 1..=10 {
        let due = the_schedule(&here).await.next_at.unwrap();
        // So near that every keeper sleeps for it, and then it comes.
        here.clock.advance(due - 50 - here.store.clock().now());
        {
            let schedule = the_schedule(&here).await;
            let mut tx = here.store.write().await.unwrap();
            pause(&mut tx, &schedule).await.unwrap();
            tx.commit().await.unwrap();
            let schedule = the_schedule(&here).await;
            let mut tx = here.store.write().await.unwrap();
            resume(&mut tx, &schedule).await.unwrap();
            tx.commit().await.unwrap();
        }
        here.clock.advance(100);
        until("the time to be kept", Duration::from_secs(60), async || {
            let moved_on = the_schedule(&here).await.next_at? > due;
            moved_on.then_some(())
        })
        .await;
        assert_eq!(scheduled(&here).await.len(), time, "once for each time");
        assert_eq!((last(&here).await.slot, last(&here).await.missed), (due, 0));
    }
    stop.cancel();
    for keeper in keepers {
        keeper.await.unwrap();
    }
    assert_eq!(scheduled(&here).await.len(), 10, "and no more when all have ended");
    there.close().await;
}

/// On the real product: a schedule in captain.yml, its page, its next time, and a build of it now.
#[tokio::test]
async fn a_schedule_of_captain_yml_is_shown_run_and_paused() {
    let house = House::open().await;
    let image = house.image();
    let captain = format!(
        "web: {{build: Dockerfile, image: {image}}}\nschedules:\n  \
         nightly: {{cron: \"0 2 * * *\", timezone: Europe/Madrid}}\n"
    );
    let files = [("captain.yml", captain.as_str()), ("Dockerfile", "FROM busybox:latest\nCOPY captain.yml /\n")];
    let pushed = house.push("main", &files).await;
    house.build_in(pushed, "succeeded").await;
    let tip = house.git.commit("main", &[("later", "")]);

    let found = house.ask("schedules").await.expect(200).json();
    assert_eq!((&found["items"][0]["name"], &found["items"][0]["branch"]), (&json!("nightly"), &json!("main")));
    let next = found["items"][0]["next_at"].as_str().expect("a next time").to_owned();
    let page = format!("/repositories/{}", house.webhook.repository);
    let shown = house.slipway.api().with("accept", "text/html").get(&page).await.expect(200).body;
    assert!(shown.contains("<code>0 2 * * *</code> Europe/Madrid") && shown.contains(&next[..13]), "{shown}");

    let schedule = format!("/api/v1/repositories/{}/schedules/nightly", house.webhook.repository);
    let run = house.slipway.api().post(&format!("{schedule}/run"), &json!({})).await.expect(201).json();
    assert_eq!((&run["event"], &run["commit"]), (&json!("schedule"), &json!(null)));
    let build = house.build_in(run["number"].as_i64().unwrap(), "succeeded").await;
    assert_eq!((&build["commit"], &build["message"]), (&json!(tip), &json!("a change")), "what main stands at now");

    let paused = house.slipway.api().put(&format!("{schedule}/pause"), &json!({})).await.expect(200).json();
    assert_eq!((&paused["is_paused"], &paused["next_at"]), (&json!(true), &json!(null)));
    let resumed = house.slipway.api().delete(&format!("{schedule}/pause")).await.expect(200).json();
    assert_eq!(resumed["next_at"], next);

    // The same from a terminal and by the page's buttons.
    let terminal = WorkingTree::without_git(&[])
        .variable("SLIPWAY_URL", house.slipway.url())
        .variable("SLIPWAY_TOKEN", house.slipway.token());
    let say = async |arguments: &[&str]| {
        let arguments = [&["schedule"], arguments].concat();
        terminal.slipway(&arguments).await.well().out
    };
    let repository = house.webhook.repository.as_str();
    let listed = |next: &str| format!("nightly  {next}  0 2 * * * Europe/Madrid  main\n");
    assert_eq!(say(&["list", repository]).await, listed(&next));
    assert_eq!(say(&["pause", repository, "nightly"]).await, "nightly is paused.\n");
    assert_eq!(say(&["list", repository]).await, listed("paused"));
    assert_eq!(say(&["resume", repository, "nightly"]).await, format!("nightly comes next at {next}.\n"));
    house.slipway.api().submit(&format!("{page}/schedules/nightly/pause"), &[]).await.expect(303);
    let paused = house.slipway.api().with("accept", "text/html").get(&page).await.expect(200).body;
    assert!(paused.contains("/schedules/nightly/resume"), "{paused}");
    house.slipway.api().submit(&format!("{page}/schedules/nightly/resume"), &[]).await.expect(303);
    assert_eq!(say(&["list", repository]).await, listed(&next));
    assert_eq!(say(&["run", repository, "nightly"]).await, "Build 3 is queued.\n");
    house.build_in(3, "succeeded").await;
    assert_eq!(say(&["list", repository]).await, listed(&next), "its times stay as they are");
    until("a tidy house", LONG, async || (house.step_containers().is_empty()).then_some(())).await;
}
