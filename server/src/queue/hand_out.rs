//! A leased job as its runner is told of it.

use slipway_runner::coordinator::{Lease, LeaseKey};

use super::{
    ServerCoordinator,
    fence::ReportError,
    give_back::{failed, subject},
    work,
};
use crate::store::{Tx, jobs::Job};

/// The lease of a job; none when the job could not even be described: then it has failed.
///
/// # Errors
/// When the database cannot tell now.
pub(super) async fn hand_out(tx: &mut Tx, server: &ServerCoordinator, job: &Job) -> Result<Option<Lease>, ReportError> {
    let savepoint = tx.savepoint().await?;
    match work::describe(tx, server, job).await {
        Ok(work::Described { work, logins, secrets }) => {
            tx.release(savepoint).await?;
            Ok(Some(Lease {
                key: LeaseKey { job: job.id.to_string(), epoch: job.lease_epoch },
                attempt: u32::try_from(job.attempt).unwrap_or(u32::MAX),
                lease_ms: u64::try_from(server.timing.lease_ms()).unwrap_or(u64::MAX),
                work,
                registries: logins.given,
                withheld_registries: logins.withheld,
                secrets: secrets.values,
                withheld_secrets: secrets.withheld,
            }))
        }
        Err(error) if error.is_transient() => Err(error.into()),
        Err(error) => {
            tracing::error!(%error, job = %job.id, "a job cannot be handed out");
            tx.undo(savepoint).await?;
            let (mut job, subject) = (job.clone(), subject(tx, job).await?);
            failed(tx, &mut job, subject, &format!("it could not be handed to a runner: {error}")).await?;
            Ok(None)
        }
    }
}
