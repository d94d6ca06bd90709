//! A fuse that blows at a chosen point, to cut work off where a crash could.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use tokio_util::sync::CancellationToken;

/// Counts the points that work passes. At the chosen one it blows: nobody passes any more, and whoever waits for it is
/// told. Clones share their state.
#[derive(Debug, Clone)]
pub struct Fuse {
    left: Arc<AtomicI64>,
    passed: Arc<AtomicU64>,
    blown: CancellationToken,
}

impl Fuse {
    /// Lets `points` pass and blows at the next one.
    #[must_use]
    pub fn after(points: i64) -> Self {
        Fuse { left: Arc::new(AtomicI64::new(points)), passed: Arc::default(), blown: CancellationToken::new() }
    }

    /// Never blows, but counts.
    #[must_use]
    pub fn never() -> Self {
        Self::after(i64::MAX)
    }

    /// Passes a point, or waits for ever when the fuse is blown.
    pub async fn pass(&self) {
        if self.left.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.passed.fetch_add(1, Ordering::SeqCst);
            return;
        }
        self.blown.cancel();
        std::future::pending::<()>().await;
    }

    /// How many points were passed.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Runs `work` until it ends or the fuse blows; none when it was cut off.
    pub async fn burn<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.blown.cancelled() => None,
            done = work => Some(done),
        }
    }
}
