//! The time that a build may take.

use std::{pin::pin, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    builds::BrokenOff,
    coordinator::{JobResult, TimeLimit},
};

/// Lets a build run within its limit; at the limit it is stopped as if somebody had cancelled it, and has failed.
pub(super) async fn within(
    limit: Option<TimeLimit>,
    stop: &CancellationToken,
    build: impl Future<Output = Result<JobResult, BrokenOff>>,
) -> Result<JobResult, BrokenOff> {
    let Some(limit) = limit else { return build.await };
    let mut build = pin!(build);
    if let Ok(ended) = tokio::time::timeout(Duration::from_millis(limit.left_ms), &mut build).await {
        return ended;
    }
    if stop.is_cancelled() {
        return build.await;
    }
    stop.cancel();
    Ok(match build.await? {
        JobResult::Cancelled | JobResult::Failed { .. } => JobResult::Failed { reason: limit.reason() },
        ended => ended,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: TimeLimit = TimeLimit { minutes: 120, left_ms: 1 };

    #[tokio::test]
    async fn a_build_at_its_limit_is_stopped_and_says_so() {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let build = async move {
            stopped.cancelled().await;
            Ok(JobResult::Cancelled)
        };
        let reason = "the build took longer than 2 h".to_owned();
        assert_eq!(within(Some(LIMIT), &stop, build).await, Ok(JobResult::Failed { reason }));
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_build_that_was_cancelled_stays_so() {
        let stop = CancellationToken::new();
        stop.cancel();
        let build = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(JobResult::Cancelled)
        };
        assert_eq!(within(Some(LIMIT), &stop, build).await, Ok(JobResult::Cancelled));
        assert_eq!(within(None, &stop, async { Ok(JobResult::Live) }).await, Ok(JobResult::Live));
    }
}
