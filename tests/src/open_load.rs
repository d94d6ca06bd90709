//! Clients that come at a steady rate, whether or not those before them have been answered: an open loop, in which nobody
//! who has to wait keeps others from coming.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc, task::JoinHandle, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::http_line::StrictClient;

/// How often it is looked who is due.
const TICK: Duration = Duration::from_millis(2);
/// The most clients at once: a proxy that answers nobody any more must not take the whole machine.
const MOST_CLIENTS: usize = 2_000;
/// The most failures that are remembered in words.
const MOST_WORDS: usize = 50;

/// What the clients got.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// How many requests were made.
    pub asked: u64,
    /// How often each text was answered with status 200.
    pub good: BTreeMap<String, u64>,
    /// How many requests failed.
    pub failed: u64,
    /// What the first of them met.
    pub failures: Vec<String>,
    /// How long the clients came.
    pub lasted: Duration,
    /// How long each request took from the moment when it was due, in milliseconds.
    took_ms: Vec<u32>,
}

impl Tally {
    /// Requests a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    pub fn rate(&self) -> f64 {
        self.asked as f64 / self.lasted.as_secs_f64()
    }

    /// How long all but one of so many requests took at most, counted from when they were due.
    #[must_use]
    pub fn all_but_one_of(&self, count: usize) -> Duration {
        let mut took = self.took_ms.clone();
        took.sort_unstable();
        let index = took.len() - 1 - (took.len() - 1) / count;
        Duration::from_millis(took.get(index).copied().unwrap_or(0).into())
    }

    fn note(&mut self, met: Result<String, String>, took: Duration) {
        self.took_ms.push(u32::try_from(took.as_millis()).unwrap_or(u32::MAX));
        match met {
            Ok(text) => *self.good.entry(text).or_default() += 1,
            Err(failure) => {
                self.failed += 1;
                if self.failures.len() < MOST_WORDS {
                    self.failures.push(failure);
                }
            }
        }
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct OpenLoad {
    stop: CancellationToken,
    driver: JoinHandle<Tally>,
}

impl OpenLoad {
    /// So many requests a second of `url` under a host name, each on a connection that is kept for others.
    #[must_use]
    pub fn start(url: &str, host: &str, rate: u32) -> Self {
        let stop = CancellationToken::new();
        let driver = tokio::spawn(drive(url.to_owned(), host.to_owned(), rate, stop.clone()));
        OpenLoad { stop, driver }
    }

    /// Ends it once the last answers are there.
    ///
    /// # Panics
    /// When it ended before.
    pub async fn finish(self) -> Tally {
        self.stop.cancel();
        self.driver.await.expect("the clients are at work")
    }
}

async fn drive(url: String, host: String, rate: u32, stop: CancellationToken) -> Tally {
    let (back, mut answered) = mpsc::unbounded_channel();
    let (mut tally, mut idle, mut clients) = (Tally::default(), Vec::new(), 0);
    let began = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !stop.is_cancelled() {
        ticks.tick().await;
        while let Ok((client, met, took)) = answered.try_recv() {
            idle.push(client);
            tally.note(met, took);
        }
        while began.elapsed().as_secs_f64() * f64::from(rate) > exact(tally.asked) {
            let client = match idle.pop() {
                Some(client) => client,
                None if clients < MOST_CLIENTS => {
                    clients += 1;
                    StrictClient::new(&url, &host, Vec::new(), true)
                }
                None => break,
            };
            let due = began + Duration::from_secs_f64(exact(tally.asked) / f64::from(rate));
            tally.asked += 1;
            tokio::spawn(ask(client, due, back.clone()));
        }
    }
    tally.lasted = began.elapsed();
    drop(back);
    while let Some((_, met, took)) = answered.recv().await {
        tally.note(met, took);
    }
    tally
}

type Answered = (StrictClient, Result<String, String>, Duration);

async fn ask(mut client: StrictClient, due: Instant, back: mpsc::UnboundedSender<Answered>) {
    let met = client.ask().await;
    // Whoever counts is there until the last one is back.
    let _ = back.send((client, met, due.elapsed()));
}

#[expect(clippy::cast_precision_loss, reason = "a number of requests needs no more digits")]
fn exact(count: u64) -> f64 {
    count as f64
}
