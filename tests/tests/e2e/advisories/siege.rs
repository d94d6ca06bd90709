//! Argo CD, CVE-2024-40634: large deliveries of nobody exhausted the memory. And what goes with it: slow and malformed
//! ones, many at once, while honest deliveries come in.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use slipway_tests::{
    forge::{Delivery, Push, Webhook, commit},
    slipway::{Setup, Slipway},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Barrier,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::REPOSITORY;

/// How many attackers of each kind there are at once.
const OF_EACH: usize = 40;
/// The connections that the server keeps: the attackers hold more than that.
const CONNECTIONS: &str = "128";
/// How many honest deliveries come in meanwhile.
const HONEST: usize = 25;
/// The most memory that the siege may cost, in KiB: two large bodies that grow, and many small ones. All bodies that are sent would
/// be a gigabyte.
const MOST_KIB: u64 = 128 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn cve_2024_40634_a_siege_of_large_slow_and_malformed_deliveries_costs_no_memory_and_keeps_nobody_out() {
    let slipway = Setup::new().with("SLIPWAY_MAX_CONNECTIONS", CONNECTIONS).start().await;
    let webhook = slipway.connect(REPOSITORY, "https://git.example/shop/web.git").await;
    push("before").send(&webhook).await.expect(202);
    let before = resident(&slipway, "VmRSS:");

    let over = Arc::new(AtomicBool::new(false));
    let all = Arc::new(Barrier::new(6 * OF_EACH + 1));
    let mut attackers = JoinSet::new();
    for kind in [Attack::Large, Attack::Slow, Attack::HalfHead, Attack::Silent, Attack::Asking, Attack::Deep] {
        for _ in 0..OF_EACH {
            let (webhook, over, all) = (webhook.clone(), Arc::clone(&over), Arc::clone(&all));
            attackers.spawn(async move {
                all.wait().await;
                while !over.load(Ordering::Relaxed) {
                    if timeout(Duration::from_secs(10), kind.strike(&webhook)).await.is_ok_and(|struck| struck.is_err())
                    {
                        // The server closed it, or had no room: the next one.
                        sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
    }
    all.wait().await;

    let mut honest = JoinSet::new();
    for number in 0..HONEST {
        let (webhook, begun) = (webhook.clone(), Instant::now());
        honest.spawn(async move {
            push(&number.to_string()).send(&webhook).await.expect(202);
            begun.elapsed()
        });
    }
    let slowest = honest.join_all().await.into_iter().max().unwrap_or_default();
    let most = resident(&slipway, "VmHWM:");
    over.store(true, Ordering::Relaxed);
    attackers.shutdown().await;

    assert!(slowest < Duration::from_secs(10), "GitHub had given up: {slowest:?}");
    assert!(most < before + MOST_KIB, "{before} KiB before, {most} KiB at most");
    let builds = slipway.api().get("/api/v1/deliveries?limit=100").await.expect(200).json();
    assert_eq!(builds["items"].as_array().unwrap().len(), HONEST + 1, "of the attackers' nothing is stored");
}

fn push(word: &str) -> Delivery {
    Push::to_branch(REPOSITORY, &format!("topic-{word}"), &commit(word)).delivery()
}

/// A figure of the server's memory, in KiB.
fn resident(slipway: &Slipway, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", slipway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Attack {
    /// As many bytes as are taken, and more.
    Large,
    /// A body that is announced and comes a byte at a time.
    Slow,
    /// A head that never ends.
    HalfHead,
    /// A connection on which nothing is said.
    Silent,
    /// One small request after the other on the same connection.
    Asking,
    /// JSON a hundred thousand levels deep.
    Deep,
}

impl Attack {
    async fn strike(self, webhook: &Webhook) -> std::io::Result<()> {
        let (authority, path) = webhook.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(authority).await?;
        let head = |rest: &str| {
            format!(
                "POST /{path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\nx-github-event: push\r\n\
                 x-github-delivery: siege\r\nx-hub-signature-256: sha256={}\r\n{rest}\r\n",
                "0".repeat(64)
            )
        };
        match self {
            Attack::Large => {
                stream.write_all(head("transfer-encoding: chunked\r\n").as_bytes()).await?;
                let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
                // 64 MB, if it were let.
                for _ in 0..4_000 {
                    stream.write_all(chunk.as_bytes()).await?;
                }
            }
            Attack::Slow => {
                stream.write_all(head("content-length: 200000\r\n").as_bytes()).await?;
                for _ in 0..10_000 {
                    stream.write_all(b"{").await?;
                    sleep(Duration::from_millis(100)).await;
                }
            }
            Attack::HalfHead => {
                for _ in 0..10_000 {
                    stream.write_all(b"GET / HTTP/1.1\r\nx: y\r\n".get(..5).unwrap_or_default()).await?;
                    sleep(Duration::from_millis(100)).await;
                }
            }
            Attack::Silent => {
                stream.read_u8().await?;
            }
            Attack::Asking => loop {
                stream.write_all(format!("GET /healthz HTTP/1.1\r\nhost: {authority}\r\n\r\n").as_bytes()).await?;
                let mut answer = [0; 1024];
                if stream.read(&mut answer).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                sleep(Duration::from_millis(500)).await;
            },
            Attack::Deep => {
                let body = "[".repeat(100_000);
                stream.write_all(head(&format!("content-length: {}\r\n", body.len())).as_bytes()).await?;
                stream.write_all(body.as_bytes()).await?;
                stream.read_u8().await?;
            }
        }
        Ok(())
    }
}
