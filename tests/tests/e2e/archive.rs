//! The archive of finished logs: read as before, by whoever reads; nothing lost and nothing twice, whatever fails.

use std::{
    future::Future as _,
    path::{Path, PathBuf},
    pin::pin,
    task::{Context, Poll},
};

use slipway_runner::coordinator::{Coordinator as _, Lease, LogChunk, LogLine, LogStream, StepResult};
use slipway_server::{
    config::{ArchivePlace, ArchiveSettings},
    ids::StepId,
    logs::Search,
    retention::{Collected, Limits, Round, archive_now, collect_now},
    store::{Archive, Db, StoreError, jobs, logs, steps},
};
use slipway_tests::{
    bucket::Bucket,
    databases::TestDatabase,
    on_both_databases,
    pipeline::{Pipeline, built, digest, step, usual_plan},
};
use tempfile::TempDir;

on_both_databases!(finished_logs_are_read_from_a_folder, what_is_killed_in_between_neither_loses_nor_doubles);

const DAY: i64 = 24 * 60 * 60 * 1_000;
/// Several chunks, also once they are joined.
const CHUNKS: i64 = 30;
const LINES: i64 = 500;
const ALL: usize = (CHUNKS * LINES) as usize;

fn in_folder(folder: &TempDir) -> ArchiveSettings {
    let place = ArchivePlace::Folder(folder.path().join("archive"));
    ArchiveSettings { place: Some(place), ..ArchiveSettings::default() }
}

async fn pipeline(database: TestDatabase, settings: &ArchiveSettings) -> Pipeline {
    let mut pipeline = Pipeline::new(database).await;
    pipeline.store = pipeline.store.clone().with_archive(Archive::open(settings).unwrap());
    pipeline
}

/// A step that wrote its lines and runs.
async fn talkative(pipeline: &Pipeline) -> (Lease, StepId) {
    let number = pipeline.queue(&pipeline.push("main", "a")).await.number;
    let lease = pipeline.claim().await;
    pipeline.coordinator.declare_steps(&lease.key, vec![step(0)]).await.unwrap();
    pipeline.coordinator.start_step(&lease.key, 0).await.unwrap();
    for seq in 0..CHUNKS {
        let first_line = seq * LINES + 1;
        let line = |number| LogLine { at: 1, stream: LogStream::Out, text: format!("line {number}.") };
        let chunk = LogChunk { seq, first_line, lines: (first_line..first_line + LINES).map(line).collect() };
        pipeline.coordinator.append_log(&lease.key, 0, chunk).await.unwrap();
    }
    let build = pipeline.build(number).await;
    let mut reader = pipeline.store.read().await.unwrap();
    let job = jobs::of_build(&mut reader.conn(), &build.id).await.unwrap().unwrap();
    let step = steps::at(&mut reader.conn(), &job.id, 1, 0).await.unwrap().unwrap();
    (lease, step.id)
}

async fn ended(pipeline: &Pipeline) -> StepId {
    let (lease, step) = talkative(pipeline).await;
    pipeline.coordinator.finish_step(&lease.key, 0, StepResult::succeeded()).await.unwrap();
    pipeline.coordinator.finish_job(&lease.key, built(&digest("a"), usual_plan())).await.unwrap();
    step
}

/// Every line, once and in order, from wherever it is read.
async fn is_whole(pipeline: &Pipeline, step: &StepId) {
    let lines = async |from, limit| logs::lines(&pipeline.store, step, from, limit).await.unwrap();
    let all = lines(1, ALL + 1).await;
    assert_eq!(all.len(), ALL);
    for (number, line) in (1..).zip(&all) {
        assert_eq!((line.number, &line.line.text), (number, &format!("line {number}.")));
    }
    for from in [2, LINES, 4_001, 8_000, CHUNKS * LINES] {
        let part = lines(from, 3).await;
        let begin = usize::try_from(from).unwrap() - 1;
        assert_eq!(part, all[begin..ALL.min(begin + 3)]);
    }
    let found = Search::of("LINE 1499", true).unwrap().run(&pipeline.store, step, 1, 100).await.unwrap();
    let numbers: Vec<i64> = found.lines.iter().map(|line| line.number).collect();
    assert_eq!((numbers, found.next), ([vec![1_499], (14_990..15_000).collect()].concat(), None));
}

/// What the database itself keeps of a log, in bytes.
async fn kept_inside(pipeline: &Pipeline) -> i64 {
    let sum = "SELECT CAST(COALESCE(SUM(LENGTH(data)), 0) AS BIGINT) FROM log_chunk";
    match pipeline.store.db() {
        Db::Sqlite { read, .. } => sqlx::query_scalar(sum).fetch_one(read).await.unwrap(),
        Db::Postgres(pool) => sqlx::query_scalar(sum).fetch_one(pool).await.unwrap(),
    }
}

fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(objects(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// The log moves, is read as before, and is removed with all that is of it.
async fn moves_and_goes(pipeline: &Pipeline, folder: &Path) {
    let (lease, running) = talkative(pipeline).await;
    archive_now(&pipeline.store).await.unwrap();
    assert_eq!(objects(folder), [] as [PathBuf; 0], "the step runs");
    pipeline.coordinator.finish_step(&lease.key, 0, StepResult::succeeded()).await.unwrap();
    pipeline.coordinator.finish_job(&lease.key, built(&digest("a"), usual_plan())).await.unwrap();
    assert!(kept_inside(pipeline).await > 0);
    archive_now(&pipeline.store).await.unwrap();
    assert_eq!((kept_inside(pipeline).await, objects(folder).len()), (0, 1));
    is_whole(pipeline, &running).await;

    pipeline.clock.advance(31 * DAY);
    let round = Round::choose(&pipeline.store, Limits::default(), pipeline.store.clock().now()).await.unwrap();
    let gone = round.going().iter().find(|going| going.what == "logs").unwrap();
    assert!(gone.count == 1 && gone.bytes > 1_000, "what is in the archive counts: {gone:?}");
    assert!(matches!(collect_now(&pipeline.store, &round).await.unwrap(), Collected::Done(_)));
    assert_eq!(objects(folder), [] as [PathBuf; 0]);
    assert_eq!(logs::lines(&pipeline.store, &running, 1, 10).await.unwrap(), []);
}

async fn finished_logs_are_read_from_a_folder(database: TestDatabase) {
    let folder = TempDir::new().unwrap();
    let pipeline = pipeline(database, &in_folder(&folder)).await;
    moves_and_goes(&pipeline, folder.path()).await;
}

#[tokio::test]
async fn finished_logs_are_read_from_a_bucket() {
    let bucket = Bucket::open().await;
    let pipeline = pipeline(TestDatabase::sqlite(), &bucket.settings()).await;
    moves_and_goes(&pipeline, &bucket.objects()).await;
}

#[tokio::test]
async fn a_bucket_that_fails_delays_and_loses_nothing() {
    let bucket = Bucket::open().await;
    let pipeline = pipeline(TestDatabase::sqlite(), &bucket.settings()).await;
    let step = ended(&pipeline).await;
    bucket.fail(true);
    let failed = archive_now(&pipeline.store).await.unwrap_err();
    assert!(matches!(failed, StoreError::Archive { .. }), "{failed}");
    assert!(!failed.to_string().contains("nobody-sees"), "{failed}");
    is_whole(&pipeline, &step).await;
    bucket.fail(false);
    archive_now(&pipeline.store).await.unwrap();
    assert_eq!(kept_inside(&pipeline).await, 0);

    // Now the log is there alone: it cannot be read, and is not removed half.
    bucket.fail(true);
    let unread = logs::lines(&pipeline.store, &step, 1, 1).await.unwrap_err();
    assert!(matches!(unread, StoreError::Archive { .. }), "{unread}");
    pipeline.clock.advance(31 * DAY);
    let round = Round::choose(&pipeline.store, Limits::default(), pipeline.store.clock().now()).await.unwrap();
    assert!(collect_now(&pipeline.store, &round).await.is_err());
    bucket.fail(false);
    pipeline.clock.advance(DAY);
    collect_now(&pipeline.store, &round).await.unwrap();
    assert_eq!(objects(&bucket.objects()), [] as [PathBuf; 0]);
}

/// The moving is dropped after more and more of its steps, as a kill would end it, and each time begun again.
async fn what_is_killed_in_between_neither_loses_nor_doubles(database: TestDatabase) {
    let folder = TempDir::new().unwrap();
    let pipeline = pipeline(database, &in_folder(&folder)).await;
    let step = ended(&pipeline).await;
    let mut lives = 0;
    while kept_inside(&pipeline).await > 0 {
        lives += 1;
        {
            let mut moving = pin!(archive_now(&pipeline.store));
            let mut left = lives * lives / 4 + 1;
            std::future::poll_fn(|context: &mut Context<'_>| {
                left -= 1;
                if left == 0 { Poll::Ready(()) } else { moving.as_mut().poll(context).map(drop) }
            })
            .await;
        }
        is_whole(&pipeline, &step).await;
        // The turn of the one that was killed ends by itself.
        pipeline.clock.advance(3 * 60 * 1_000);
    }
    assert!(lives > 5, "it was killed only {lives} times");
    archive_now(&pipeline.store).await.unwrap();
    is_whole(&pipeline, &step).await;
    assert_eq!(objects(folder.path()).len(), 1, "nothing of the lives before is left: {:?}", objects(folder.path()));
}
