//! Waiting for what will be true: by asking again, never by sleeping for a time that was guessed.

use std::{fmt::Debug, time::Duration};

use tokio::time::{Instant, sleep};

/// How often a condition is asked again.
const EVERY: Duration = Duration::from_millis(20);

/// Asks until there is an answer, and panics with `what` when there is none within the time.
///
/// # Panics
/// When the time is over.
pub async fn until<T>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain for: {what}");
        sleep(EVERY).await;
    }
}

/// Asks until nothing is left, and panics with `what` and what is left when there still is something after the time.
///
/// # Panics
/// When the time is over.
pub async fn until_none<T: Debug>(what: &str, within: Duration, mut ask: impl AsyncFnMut() -> Vec<T>) {
    let deadline = Instant::now() + within;
    loop {
        let left = ask().await;
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "waited {within:?} in vain for {what}; left: {left:?}");
        sleep(EVERY).await;
    }
}
