//! Repeating a report until it is acknowledged.

use std::time::Duration;

use crate::{backoff::Backoff, coordinator::CoordinatorError, lease::HeldLease};

/// The first pause before a report is repeated; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How long one attempt may take before it counts as unanswered. Every call may be repeated, so giving up early is safe.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a report did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// The lease is gone: stop, clean up, report nothing.
    #[error("the lease is gone: another attempt owns the job")]
    LeaseLost,
    /// The server refused the report for good.
    #[error("the server refused the report: {reason}")]
    Refused {
        /// What was wrong.
        reason: String,
    },
}

/// Makes `call` until it succeeds, is refused, or the lease is lost.
pub(super) async fn deliver<T, C, F>(lease: &HeldLease, mut call: C) -> Result<T, ReportError>
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, CoordinatorError>>,
{
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let answer = tokio::select! {
            biased;
            () = lease.lost().cancelled() => return Err(ReportError::LeaseLost),
            answer = tokio::time::timeout(ATTEMPT_TIMEOUT, call()) => answer,
        };
        let why = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(CoordinatorError::LeaseLost { .. })) => {
                lease.lose();
                return Err(ReportError::LeaseLost);
            }
            Ok(Err(CoordinatorError::Refused { reason })) => return Err(ReportError::Refused { reason }),
            Ok(Err(CoordinatorError::Unavailable { reason })) => reason,
            Err(_) => "no answer".to_owned(),
        };
        tracing::warn!(job = %lease.key().job, %why, "the server did not take a report; trying again");
        tokio::select! {
            () = lease.lost().cancelled() => return Err(ReportError::LeaseLost),
            () = tokio::time::sleep(backoff.pause()) => {}
        }
    }
}
