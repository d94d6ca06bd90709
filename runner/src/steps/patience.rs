//! How long a step may go on, and what may end it before it is done.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{StepError, StepLimits};
use crate::reporter::RunTime;

/// A step's time, and the signal to stop.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    cancel: CancellationToken,
    time: RunTime,
    limit: TimeLimit,
    /// Why it ends before its time.
    broken: Arc<OnceLock<StepError>>,
    stop: CancellationToken,
}

/// How long a step may take, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    /// The time.
    pub(crate) time: Duration,
    /// Whether the runner says so, and not captain.yml.
    pub(crate) of_runner: bool,
}

impl TimeLimit {
    /// The shorter of the two.
    fn of(limits: &StepLimits, timeout_ms: Option<u64>) -> Self {
        match timeout_ms.map(Duration::from_millis) {
            Some(time) if time < limits.time => TimeLimit { time, of_runner: false },
            _ => TimeLimit { time: limits.time, of_runner: true },
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.of_runner { "this runner lets no step take longer" } else { "its timeout in captain.yml" };
        write!(f, "{} s: {why}", self.time.as_secs_f64())
    }
}

impl Patience {
    /// With a step that has been run for this time.
    pub(crate) fn with(
        time: &RunTime,
        limits: &StepLimits,
        timeout_ms: Option<u64>,
        cancel: &CancellationToken,
    ) -> Self {
        Patience {
            cancel: cancel.clone(),
            time: time.clone(),
            limit: TimeLimit::of(limits, timeout_ms),
            broken: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// The signal to stop.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Ends the step for a reason of its own.
    pub(crate) fn break_off(&self, error: StepError) {
        // The first reason is the one that is told.
        let _ = self.broken.set(error);
        self.stop.cancel();
    }

    /// Waits until the step must end, and says why.
    pub(crate) async fn over(&self) -> StepError {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => StepError::Cancelled,
            () = self.stop.cancelled() => self.broken.get().cloned().unwrap_or(StepError::Cancelled),
            () = self.run_out() => StepError::TooSlow(self.limit),
        }
    }

    /// Waits until the step's time is over. It begins anew with a step that begins again.
    async fn run_out(&self) {
        loop {
            let until = self.time.reaches(self.limit.time);
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// Does something unless the step must end before it is done.
    pub(crate) async fn bear<T>(&self, doing: impl Future<Output = Result<T, StepError>>) -> Result<T, StepError> {
        tokio::select! {
            // What ends because it was killed has not ended by itself.
            biased;
            error = self.over() => Err(error),
            done = doing => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_limit_holds_and_says_whose_it_is() {
        let limits = StepLimits { time: Duration::from_secs(60), ..StepLimits::default() };
        let said = |timeout| StepError::TooSlow(TimeLimit::of(&limits, timeout)).to_string();
        assert_eq!(said(Some(1_500)), "stopped after 1.5 s: its timeout in captain.yml");
        assert_eq!(said(Some(90_000)), "stopped after 60 s: this runner lets no step take longer");
        assert_eq!(said(None), "stopped after 60 s: this runner lets no step take longer");
    }
}
