//! A running step's log, followed by several at once from different lines, and how long a line takes to them.
//!
//! A line's way is from the command's `echo` through engine, runner, server and database to the stream that pages listen
//! to. The times of fifty lines are printed; `SLIPWAY_LINES=1000` sends as many:
//! `cargo test -p slipway-tests --test e2e viewers:: -- --nocapture`

use std::{collections::BTreeMap, io::Write as _, path::Path};

use futures_util::StreamExt as _;
use slipway_tests::{
    api::http_client,
    databases::TestDatabase,
    house::{House, LONG},
    slipway::Setup,
    wait::until,
};
use tokio::time::Instant;

/// How many lines the step writes at once.
const FLOOD: i64 = 30_000;
/// The lines before the flood: what the runner says, and that the step waits.
const FIRST: i64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_every_line_once_from_where_it_began() {
    are_served(House::open().await, "by the runner within").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_sees_every_line_once_of_a_runner_on_another_machine() {
    let house = House::remote(TestDatabase::sqlite(), Setup::new(), async |url: &str| url.to_owned()).await;
    are_served(house, "by a runner over HTTP").await;
}

/// Says each line that comes through a pipe in its workspace; `flood` is many. It holds both ends of the pipe, so that one
/// who writes and closes it ends nothing.
const SAY: &str = "mkfifo pipe; exec 3<>pipe; echo ready; while read -r line <&3; do case $line in end) break ;; \
                   flood) seq 30000 | sed 's/^/number /' ;; *) echo \"$line\" ;; esac; done";

#[expect(clippy::disallowed_methods, reason = "a test's own setting")]
async fn are_served(house: House, who: &str) {
    let captain = format!(
        "defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {}\n  push: false\n  pre: [./say.sh]\n",
        house.image()
    );
    let say = format!("#!/bin/sh\n{SAY}\n");
    let files = [("captain.yml", captain.as_str()), ("Dockerfile", "FROM busybox:latest\n"), ("say.sh", &say)];
    let number = house.push("main", &files).await;
    let step = house.step_runs(number, "pre", "say.sh").await;
    let pipe = until("the step to listen", LONG, async || {
        house.checkouts().into_iter().map(|checkout| checkout.join("pipe")).find(|pipe| pipe.exists())
    })
    .await;

    let begins = [FIRST, FLOOD / 2, FLOOD];
    let mut viewers: Vec<Viewer> = Vec::new();
    for begin in begins {
        viewers.push(Viewer::open(&house, number, step, begin).await);
    }
    say_to(&pipe, "flood").await;
    for viewer in &mut viewers {
        viewer.sees(&format!("number {FLOOD}<")).await;
    }
    let ticks = std::env::var("SLIPWAY_LINES").ok().and_then(|lines| lines.parse().ok()).unwrap_or(50_usize);
    let mut took = Vec::new();
    for tick in 0..ticks {
        let said = Instant::now();
        say_to(&pipe, &format!("tick {tick}.")).await;
        took.push(viewers[0].sees(&format!("tick {tick}.")).await - said);
    }
    for viewer in &mut viewers {
        viewer.sees(&format!("tick {}.", ticks - 1)).await;
    }
    say_to(&pipe, "end").await;
    took.sort();
    let (median, late) = (took[ticks / 2].as_millis(), took[ticks * 99 / 100].as_millis());
    let longest = took[ticks - 1].as_millis();
    drop(writeln!(std::io::stderr(), "{ticks} lines {who}: p50 {median} ms, p99 {late} ms, longest {longest} ms"));

    house.build_in(number, "succeeded").await;
    let log = house.ask(&format!("builds/{number}/steps/{step}/log.txt")).await.expect(200).body;
    let log: Vec<&str> = log.lines().collect();
    for (viewer, begin) in viewers.iter().zip(begins) {
        let texts = &viewer.lines;
        let wanted: Vec<i64> = (begin..).take(texts.len()).collect();
        assert_eq!(texts.keys().copied().collect::<Vec<_>>(), wanted, "a gap, seen from line {begin} on");
        assert_eq!(viewer.doubles, 0, "seen from line {begin} on");
        let seen = texts.iter().all(|(number, text)| *text == log[usize::try_from(*number).unwrap() - 1]);
        assert!(seen, "another line than the log's, seen from line {begin} on");
    }
}

/// Hands a line to the step. The pipe takes it as soon as the step listens.
async fn say_to(pipe: &Path, line: &str) {
    tokio::fs::write(pipe, format!("{line}\n")).await.unwrap();
}

/// Somebody who follows the log.
struct Viewer {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    /// What came and is not a whole event yet.
    rest: String,
    lines: BTreeMap<i64, String>,
    doubles: usize,
    newest: String,
}

impl Viewer {
    async fn open(house: &House, number: i64, step: i64, begin: i64) -> Self {
        let repository = &house.webhook.repository;
        let url = house.slipway.url();
        let url =
            format!("{url}/stream/repositories/{repository}/builds/{number}/steps/{step}?from=0%3B1-{step}%3D{begin}");
        let answer = http_client().get(url).bearer_auth(house.slipway.token()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let stream = answer.bytes_stream().boxed();
        Viewer { stream, rest: String::new(), lines: BTreeMap::new(), doubles: 0, newest: String::new() }
    }

    /// Waits until a text has come, and tells when it did.
    async fn sees(&mut self, text: &str) -> Instant {
        let seeing = async {
            while !self.newest.contains(text) {
                let piece = self.stream.next().await.expect("the stream goes on").unwrap();
                self.rest.push_str(&String::from_utf8_lossy(&piece));
                while let Some((event, rest)) = self.rest.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.rest = rest;
                    self.take(&event);
                }
            }
        };
        tokio::time::timeout(LONG, seeing).await.unwrap_or_else(|_| panic!("{text} was never seen"));
        Instant::now()
    }

    fn take(&mut self, event: &str) {
        let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) else { return };
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let Some(html) = data["html"].as_str() else { return };
        html.clone_into(&mut self.newest);
        for row in html.split("<p id=\"L").skip(1) {
            let (number, row) = row.split_once('"').unwrap();
            let (_, text) = row.split_once("<span>").unwrap();
            let (text, _) = text.split_once("</span>").unwrap();
            let before = self.lines.insert(number.parse().unwrap(), text.to_owned());
            self.doubles += usize::from(before.is_some());
        }
    }
}
