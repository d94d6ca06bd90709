//! The dashboard's pages with a million builds stored: docs/BENCHMARKS.md.
//!
//! The rows are written by SQL, as the server would have left them; the pages are asked for over HTTP, one after the other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::panic, reason = "a benchmark")]

use std::time::{Duration, Instant};

use slipway_tests::{
    databases::TestDatabase,
    forge::{Push, commit},
    slipway::{Setup, Slipway},
};
use sqlx::{Connection as _, Executor as _, SqliteConnection};

/// The builds of a page of a repository.
const PAGE: i64 = 30;
/// How often each page is asked for before it counts.
const WARM: usize = 3;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<i64>().ok());
    let builds = numbers.next().unwrap_or(1_000_000);
    let samples = usize::try_from(numbers.next().unwrap_or(100)).unwrap();
    let database = TestDatabase::sqlite();
    let mut slipway = Setup::new().with("SLIPWAY_DATABASE", database.url()).start().await;
    let webhook = slipway.connect("acme/shop", "https://forge.example/acme/shop.git").await;
    // The server's own rows are what the others are copied from.
    let push = Push::to_branch("acme/shop", "main", &commit("first"));
    push.delivery().send(&webhook).await.expect(202);
    slipway.terminate().await;
    let began = Instant::now();
    fill(database.url(), builds).await;
    println!("{builds} builds written in {:.0} s", began.elapsed().as_secs_f64());
    slipway.restart().await;
    let shop = "/repositories/acme/shop";
    let deep = builds - 9_999 * PAGE;
    let pages = [
        ("home", "/".to_owned()),
        ("queue", "/queue".to_owned()),
        ("repository, page 1", shop.to_owned()),
        ("repository, page 10,000", format!("{shop}?before={}", deep.max(PAGE + 1))),
        ("repository, one branch", format!("{shop}?branch=topic-7")),
        ("build, newest that ended", format!("{shop}/builds/{}", builds - 200)),
        ("build, in the middle", format!("{shop}/builds/{}", builds / 2)),
        ("environments", format!("{shop}/environments")),
        ("environment", format!("{shop}/environments/production")),
        ("deliveries", "/deliveries".to_owned()),
        ("audit", "/settings/audit".to_owned()),
    ];
    for (name, path) in pages {
        measure(&slipway, name, &path, samples).await;
    }
}

async fn measure(slipway: &Slipway, name: &str, path: &str, samples: usize) {
    let api = slipway.api().with("accept", "text/html");
    let mut times = Vec::with_capacity(samples);
    let mut bytes = 0;
    for turn in 0..samples + WARM {
        let began = Instant::now();
        let page = api.get(path).await.expect(200);
        if turn >= WARM {
            times.push(began.elapsed());
        }
        bytes = page.body.len();
    }
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!("{name}: p50 {:.1} ms, p99 {:.1} ms, {bytes} bytes", ms(at(50)), ms(at(99)));
}

/// Writes builds, each with its job, its delivery and a step; environments with releases; audit entries; and leaves fifty
/// of the newest builds waiting.
async fn fill(url: &str, builds: i64) {
    let path = url.trim_start_matches("sqlite:");
    let mut database = SqliteConnection::connect(&format!("sqlite:{path}")).await.unwrap();
    database.execute("PRAGMA synchronous = OFF").await.unwrap();
    let numbered = format!("WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {builds}) ");
    let state =
        format!("CASE WHEN n.i > {builds} - 50 THEN 'queued' WHEN n.i % 17 = 0 THEN 'failed' ELSE 'succeeded' END");
    // An id is 26 digits; those of builds, jobs, steps and deliveries differ in the first.
    let id = |first: char| format!("printf('{first}%025d', n.i)");
    let of = "FROM n, build b WHERE b.number = 1";
    let ended = format!("CASE WHEN n.i > {builds} - 50 THEN NULL ELSE b.created_at + n.i * 1000 + 41500 END");
    let statements = [
        format!(
            "{numbered} INSERT INTO build (id, repository_id, number, dedup_key, event, git_ref, commit_sha, message,
                                           author, state, created_at, started_at, finished_at)
             SELECT {}, b.repository_id, n.i, 'filled ' || n.i, 'push',
                    'refs/heads/' || CASE WHEN n.i % 3 = 0 THEN 'main' ELSE 'topic-' || (n.i % 400) END,
                    printf('%040x', n.i), 'Change number ' || n.i || ' of the shop, as it was asked for', 'Ada', {state},
                    b.created_at + n.i * 1000, {ended} - 41000, {ended} {of}",
            id('1')
        ),
        format!(
            "{numbered} INSERT INTO job (id, kind, build_id, state, attempt, not_before, created_at, finished_at,
                                         repository_id, turn)
             SELECT {}, 'build', {}, CASE {state} WHEN 'queued' THEN 'queued' ELSE 'succeeded' END, 1, 0,
                    b.created_at + n.i * 1000, {ended}, b.repository_id, n.i {of}",
            id('2'),
            id('1')
        ),
        format!(
            "{numbered} INSERT INTO step (id, job_id, attempt, position, kind, name, needs, state, started_at, finished_at)
             SELECT {}, {}, 1, 0, 'checkout', 'checkout', '[]', 'succeeded', {ended} - 41000, {ended}
             {of} AND n.i <= {builds} - 50",
            id('3'),
            id('2')
        ),
        format!(
            "{numbered} INSERT INTO delivery (id, repository_id, forge_id, event, state, payload, build_id, received_at)
             SELECT {}, b.repository_id, 'filled-' || n.i, 'push', 'accepted', x'', {}, b.created_at + n.i * 1000 {of}",
            id('4'),
            id('1')
        ),
        format!(
            "{numbered} INSERT INTO audit_entry (id, at, actor, action, subject, detail)
             SELECT {}, b.created_at + n.i * 1000, 'ada', 'build.retry', 'acme/shop #' || n.i, '{{}}' {of} AND n.i % 10 = 0",
            id('5')
        ),
        "INSERT OR REPLACE INTO ref_head (repository_id, git_ref, build_id, number, commit_sha)
         SELECT repository_id, git_ref, id, MAX(number), commit_sha FROM build GROUP BY repository_id, git_ref"
            .to_owned(),
        format!(
            "{numbered} INSERT INTO environment (id, repository_id, name, position, source, last_release_number, created_at)
             SELECT {}, b.repository_id, CASE n.i WHEN 2 THEN 'dev' WHEN 3 THEN 'staging' ELSE 'production' END, n.i,
                    '{{\"from\":\"branch\",\"branch\":\"main\"}}', 5000, b.created_at {of} AND n.i < 5",
            id('6')
        ),
        format!(
            "{numbered} INSERT INTO release (id, environment_id, number, dedup_key, kind, build_id, actor, state, content,
                                             created_at, started_at, finished_at)
             SELECT printf('7%01d%024d', e.position, n.i), e.id, n.i - 1, e.id || n.i, 'build', {}, 'ada',
                    CASE n.i WHEN 5001 THEN 'live' ELSE 'retired' END, '[]', e.created_at + n.i, e.created_at + n.i,
                    e.created_at + n.i FROM n, environment e WHERE n.i <= 5001",
            id('1')
        ),
        format!("UPDATE repository SET last_build_number = {builds}"),
        "PRAGMA wal_checkpoint(TRUNCATE)".to_owned(),
    ];
    for statement in statements {
        database
            .execute(sqlx::AssertSqlSafe(statement.clone()))
            .await
            .unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
    database.close().await.unwrap();
}
