//! The server itself: how it starts and stands idle, what deliveries cost it, and how soon a runner that waits has the job:
//! docs/BENCHMARKS.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::panic, reason = "a benchmark")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use slipway_runner::{
    coordinator::{ClaimReply, ClaimRequest, Coordinator as _, Hello, JobResult, PROTOCOL},
    remote::{RemoteCoordinator, ServerAddress},
};
use slipway_tests::{
    api::http_client,
    forge::{Delivery, Push, Webhook, commit, sign},
    slipway::{Setup, Slipway},
};

const STARTS: usize = 20;
/// How long a server stands idle before its memory is read.
const IDLE: Duration = Duration::from_secs(10);
/// How many deliveries are under way at once.
const AT_ONCE: usize = 32;
const HANDED: usize = 300;

#[tokio::main]
async fn main() {
    let deliveries: usize = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(20_000);
    starts().await;
    flooded(deliveries).await;
    handed().await;
}

/// Starts anew on data that is there, and the memory that it holds when nothing happens.
async fn starts() {
    let mut slipway = Setup::new().with_runner().start().await;
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        slipway.terminate().await;
        let began = Instant::now();
        slipway.restart().await;
        times.push(began.elapsed());
    }
    tokio::time::sleep(IDLE).await;
    let [median, longest] = [percentile(&mut times, 50), percentile(&mut times, 100)];
    println!("start to ready: median {:.0} ms, longest {:.0} ms", ms(median), ms(longest));
    println!("idle, with its runner: {} MB resident", resident_megabytes(slipway.pid()));
}

/// As many signed pushes as it takes, and what is left of them after `kill -9`.
async fn flooded(deliveries: usize) {
    let mut slipway = Slipway::start().await;
    let webhook = slipway.connect("acme/shop", "https://forge.example/acme/shop.git").await;
    let prepared: Vec<_> = (0..deliveries)
        .map(|number| Push::to_branch("acme/shop", &format!("topic-{}", number % 100), &commit(&number.to_string())))
        .map(|push| push.delivery())
        .collect();
    let forge = Forge { client: http_client(), webhook };
    let began = Instant::now();
    let mut times: Vec<Duration> = stream::iter(&prepared)
        .map(|delivery| async {
            let sent = Instant::now();
            forge.send(delivery).await;
            sent.elapsed()
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let took = began.elapsed();
    slipway.kill().await;
    slipway.restart().await;
    let kept = known(&slipway).await;
    let [median, p99] = [percentile(&mut times, 50), percentile(&mut times, 99)];
    let rate = deliveries as f64 / took.as_secs_f64();
    println!(
        "{deliveries} deliveries, {AT_ONCE} at once: {rate:.0} a second, median {:.1} ms, p99 {:.1} ms; after kill -9 {} are missing",
        ms(median),
        ms(p99),
        deliveries - kept
    );
}

/// How many deliveries the server has.
async fn known(slipway: &Slipway) -> usize {
    let (mut count, mut cursor) = (0, None::<String>);
    loop {
        let after = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let page = slipway.api().get(&format!("/api/v1/deliveries?limit=100{after}")).await.expect(200).json();
        count += page["items"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return count,
        }
    }
}

/// From the answer to a delivery until a runner that waits over HTTP has its job.
async fn handed() {
    let slipway = Slipway::start().await;
    let webhook = slipway.connect("acme/shop", "https://forge.example/acme/shop.git").await;
    let runner =
        slipway.api().post("/api/v1/runners", &json!({"name": "bench", "labels": {}})).await.expect(201).json();
    let id = runner["id"].as_str().unwrap().to_owned();
    let server = ServerAddress::check(slipway.url(), true).unwrap();
    let coordinator = RemoteCoordinator::new(vec![server], runner["token"].as_str().unwrap()).unwrap();
    let hello = Hello {
        runner: id.clone(),
        name: "bench".to_owned(),
        incarnation: "1".to_owned(),
        capacity: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        resuming: Vec::new(),
        protocol: PROTOCOL,
        labels: BTreeMap::new(),
        builds_only: true,
    };
    coordinator.register(hello).await.unwrap();
    let request = ClaimRequest {
        runner: id,
        incarnation: "1".to_owned(),
        free: 1,
        holding: Vec::new(),
        wait_ms: 20_000,
        draining: false,
        hindrance: None,
    };
    let forge = Forge { client: http_client(), webhook };
    let mut times = Vec::with_capacity(HANDED);
    for number in 0..HANDED {
        let claim = async {
            let reply = coordinator.claim(request.clone()).await.unwrap();
            (Instant::now(), reply)
        };
        let ((at, reply), answered) = tokio::join!(claim, deliver(&forge, number));
        let ClaimReply::Work { lease } = reply else { panic!("no job came: {reply:?}") };
        times.push(at.saturating_duration_since(answered));
        let ended = JobResult::Failed { reason: "the benchmark says so".to_owned() };
        coordinator.finish_job(&lease.key, ended).await.unwrap();
    }
    let [median, p99] = [percentile(&mut times, 50), percentile(&mut times, 99)];
    println!("from the answer to the job at a waiting runner: median {:.1} ms, p99 {:.1} ms", ms(median), ms(p99));
}

/// Sends a push once the runner waits, and tells when it was answered.
async fn deliver(forge: &Forge, number: usize) -> Instant {
    // Long enough for its request to be there; what is measured begins later.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let push = Push::to_branch("acme/shop", &format!("topic-{number}"), &commit(&number.to_string()));
    forge.send(&push.delivery()).await;
    Instant::now()
}

/// A forge that keeps its connections.
struct Forge {
    client: reqwest::Client,
    webhook: Webhook,
}

impl Forge {
    async fn send(&self, delivery: &Delivery) {
        let request = self
            .client
            .post(&self.webhook.url)
            .header("content-type", &delivery.content_type)
            .header("x-github-event", &delivery.event)
            .header("x-github-delivery", &delivery.id)
            .header("x-hub-signature-256", sign(&self.webhook.secret, &delivery.body))
            .body(delivery.body.clone());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        drop(answer.bytes().await.unwrap());
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What a process holds in memory now.
fn resident_megabytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    kilobytes / 1024
}
