//! The fence: only the newest lease of a job may report on it.

use slipway_runner::coordinator::{CoordinatorError, LeaseKey};

use super::{JobState, ServerCoordinator};
use crate::{
    ids::JobId,
    store::{self, StoreError, Tx, jobs::Job},
};

/// Why a report was not taken.
#[derive(Debug)]
pub(super) enum ReportError {
    /// Another lease, or none, holds the job.
    Lost(String),
    /// It contradicts what is known.
    Refused(String),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for ReportError {
    fn from(error: StoreError) -> Self {
        ReportError::Store(error)
    }
}

impl From<ReportError> for CoordinatorError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Lost(job) => CoordinatorError::LeaseLost { job },
            ReportError::Refused(reason) => CoordinatorError::Refused { reason },
            ReportError::Store(error @ (StoreError::Illegal { .. } | StoreError::Refused(_))) => {
                CoordinatorError::Refused { reason: error.to_string() }
            }
            ReportError::Store(error) => {
                if !error.is_transient() || error.is_disk_full() {
                    tracing::error!(%error, "cannot take a runner's report");
                }
                CoordinatorError::Unavailable { reason: error.to_string() }
            }
        }
    }
}

/// The job of a lease, locked until the transaction ends, whatever its state. The epoch is the lease's, and a runner
/// that is known by its token is the lease's owner: to know another one's job and epoch opens nothing. Where it says which
/// life of it reports, that is the one that has the lease: what a life that was killed had sent may come after the next
/// one was told how much of it had.
pub(super) async fn of_epoch(tx: &mut Tx, server: &ServerCoordinator, lease: &LeaseKey) -> Result<Job, ReportError> {
    let lost = || ReportError::Lost(lease.job.clone());
    let id: JobId = lease.job.parse().map_err(|_| lost())?;
    let job = store::jobs::lock(tx, &id).await?.ok_or_else(lost)?;
    let own = server.runner.as_deref().is_none_or(|runner| job.lease_owner.as_deref() == Some(runner));
    let of_life = server.life.as_deref().is_none_or(|life| job.lease_incarnation.as_deref() == Some(life));
    if own && of_life && job.lease_epoch == lease.epoch { Ok(job) } else { Err(lost()) }
}

/// A transaction with the job of a lease that still holds, locked until it ends. It is the proof that what follows is
/// reported by the one who may.
///
/// Of a lease that was lost the lock is given back before this is told: a claim passes over a job that is locked, and a
/// transaction that is only dropped ends at some later time.
pub(super) async fn held(server: &ServerCoordinator, lease: &LeaseKey) -> Result<(Tx, Job), ReportError> {
    let mut tx = server.store.write().await?;
    match of_epoch(&mut tx, server, lease).await {
        Ok(job) if job.state == JobState::Leased => Ok((tx, job)),
        Ok(_) | Err(ReportError::Lost(_)) => {
            tx.roll_back().await?;
            Err(ReportError::Lost(lease.job.clone()))
        }
        Err(error) => Err(error),
    }
}
