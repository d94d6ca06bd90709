//! A visitor who keeps asking while releases change, and counts what was answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How many requests are under way at once.
const CONCURRENCY: usize = 4;
/// How long each of them waits for the next. Without a pause the visitor alone keeps both processors of a small machine busy,
/// and what it is there to watch takes three times as long.
const PAUSE: Duration = Duration::from_millis(100);

/// What the visitor has seen so far.
#[derive(Debug, Default, Clone)]
pub(super) struct Seen {
    /// Answers by the text that was served.
    pub(super) answers: BTreeMap<String, u64>,
    /// What went wrong, in its own words.
    pub(super) failures: Vec<String>,
}

impl Seen {
    fn note(&mut self, answer: Result<String, String>) {
        match answer {
            Ok(text) => *self.answers.entry(text).or_default() += 1,
            Err(reason) => self.failures.push(reason),
        }
    }
}

/// A visitor at work; `leave` ends the visit.
pub(super) struct Visitor {
    seen: Arc<Mutex<Seen>>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Visitor {
    /// Starts asking for `url` under the host name `host`, one request after the other on each of a few connections.
    pub(super) fn arrive(client: &reqwest::Client, url: &str, host: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = CancellationToken::new();
        let tasks = (0..CONCURRENCY)
            .map(|_| {
                let (client, url, host) = (client.clone(), url.to_owned(), host.to_owned());
                let (seen, stop) = (Arc::clone(&seen), stop.clone());
                tokio::spawn(async move {
                    while !stop.is_cancelled() {
                        let answer = ask(&client, &url, &host).await;
                        seen.lock().unwrap_or_else(PoisonError::into_inner).note(answer);
                        let _ = stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
                    }
                })
            })
            .collect();
        Visitor { seen, stop, tasks }
    }

    /// Ends the visit, once the requests under way are answered, and tells what was seen.
    pub(super) async fn leave(self) -> Seen {
        self.stop.cancel();
        for task in self.tasks {
            // A task that panicked has no answers of its own left to add; what it counted before is in `seen`.
            let _ = task.await;
        }
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Asks once; anything but a 200 is a failure.
pub(super) async fn ask(client: &reqwest::Client, url: &str, host: &str) -> Result<String, String> {
    let response =
        client.get(url).header(reqwest::header::HOST, host).send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status();
    let text = response.text().await.map_err(|error| format!("{error:?}"))?;
    if status == reqwest::StatusCode::OK { Ok(text) } else { Err(format!("{status}: {}", text.trim())) }
}
