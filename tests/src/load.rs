//! Clients that never stop asking, and remember every answer that was not the right one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::http_line::StrictClient;

/// The body of each POST: more than one packet, and more than a proxy reads at once.
const BODY_BYTES: usize = 20_000;

/// What the clients got.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// How often each text was answered with status 200.
    pub good: BTreeMap<String, u64>,
    /// What each failed request met.
    pub failed: Vec<String>,
}

impl Answers {
    /// How many requests were made.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.good.values().sum::<u64>() + self.failed.len() as u64
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    answers: Arc<Mutex<Answers>>,
    progress: watch::Receiver<u64>,
    stop: CancellationToken,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts asking `url` under a host name: with two clients that keep their connections and two that make a new one
    /// for every request. None sends a request twice: one that was lost has failed.
    #[must_use]
    pub fn start(url: &str, host: &str) -> Self {
        Self::with_pause(url, host, &[&[]], Duration::from_millis(2))
    }

    /// The same for an app that also takes what is posted: of each kind of client, one that gets and one that posts.
    #[must_use]
    pub fn with_posts(url: &str, host: &str) -> Self {
        Self::with_pause(url, host, &[&[], &[b'x'; BODY_BYTES]], Duration::from_millis(2))
    }

    /// The same with few requests, for tests of many rollouts: most of the machine is left to those.
    #[must_use]
    pub fn gentle(url: &str, host: &str) -> Self {
        Self::with_pause(url, host, &[&[]], Duration::from_millis(25))
    }

    fn with_pause(url: &str, host: &str, bodies: &[&[u8]], pause: Duration) -> Self {
        let answers = Arc::<Mutex<Answers>>::default();
        let stop = CancellationToken::new();
        let (sender, progress) = watch::channel(0);
        let mut clients = JoinSet::new();
        let bodies = bodies.iter().cycle();
        for (keep_alive, body) in [true, true, false, false].into_iter().zip(bodies) {
            let mut client = StrictClient::new(url, host, body.to_vec(), keep_alive);
            let (answers, stop, sender) = (answers.clone(), stop.clone(), sender.clone());
            clients.spawn(async move {
                while !stop.is_cancelled() {
                    note(&answers, client.ask().await);
                    sender.send_modify(|count| *count += 1);
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Load { answers, progress, stop, clients }
    }

    /// Waits for `count` more answers.
    pub async fn answers(&mut self, count: u64) {
        let wanted = *self.progress.borrow() + count;
        self.progress.wait_for(|&seen| seen >= wanted).await.expect("the clients are at work");
    }

    /// Waits until this text is answered.
    pub async fn sees(&mut self, text: &str) {
        let answers = Arc::clone(&self.answers);
        let seen = |_: &u64| lock(&answers).good.contains_key(text);
        self.progress.wait_for(seen).await.expect("the clients are at work");
    }

    /// What the clients got up to now.
    #[must_use]
    pub fn so_far(&self) -> Answers {
        lock(&self.answers).clone()
    }

    /// Ends the clients once their last answers are there.
    pub async fn finish(mut self) -> Answers {
        self.stop.cancel();
        while self.clients.join_next().await.is_some() {}
        self.so_far()
    }
}

fn lock(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(answers: &Mutex<Answers>, answer: Result<String, String>) {
    let mut answers = lock(answers);
    match answer {
        Ok(text) => *answers.good.entry(text).or_default() += 1,
        Err(reason) => answers.failed.push(reason),
    }
}

/// A client that takes no detour over the environment's proxy.
///
/// # Panics
/// When no client can be made on this machine.
#[must_use]
pub fn client(keep_alive: bool) -> reqwest::Client {
    // Installed already is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let idle = if keep_alive { 8 } else { 0 };
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(idle).timeout(Duration::from_secs(30));
    builder.build().expect("an HTTP client")
}

/// The text of one answer; an error unless its status is 200.
///
/// # Errors
/// With what the request met.
pub async fn ask(client: &reqwest::Client, url: &str, host: &str) -> Result<String, String> {
    let answer = client.get(url).header("Host", host).send().await.map_err(|failure| format!("{failure:?}"))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|failure| format!("{failure:?}"))?;
    if status.as_u16() == 200 { Ok(text.trim().to_owned()) } else { Err(format!("{status} {text}")) }
}
