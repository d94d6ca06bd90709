//! Whose steps the next attempt of a build takes over.

use sqlx::FromRow;

use super::{Conn, StoreError, Tx, execute, row};
use crate::ids::JobId;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct Takeover {
    /// The attempt that failed.
    pub(crate) attempt: i64,
    /// The runner that it failed on, where that may still have what it left.
    pub(crate) runner_id: Option<String>,
    /// Until when no other runner takes the job, in unix milliseconds.
    pub(crate) preferred_until: i64,
}

/// What the job's next attempt takes over; none where it begins anew.
pub(crate) async fn of_job(conn: &mut Conn<'_>, job: &JobId) -> Result<Option<Takeover>, StoreError> {
    Ok(row!(conn, "SELECT attempt, runner_id, preferred_until FROM takeover WHERE job_id = $1", job)?)
}

/// Notes what the job's next attempt takes over, in place of what was noted before.
pub(crate) async fn note(tx: &mut Tx, job: &JobId, takeover: &Takeover) -> Result<(), StoreError> {
    forget(tx, job).await?;
    execute!(
        &mut tx.conn(),
        "INSERT INTO takeover (job_id, attempt, runner_id, preferred_until) VALUES ($1, $2, $3, $4)",
        job,
        takeover.attempt,
        takeover.runner_id.as_deref(),
        takeover.preferred_until
    )?;
    Ok(())
}

/// Lets the job's next attempt begin anew.
pub(crate) async fn forget(tx: &mut Tx, job: &JobId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "DELETE FROM takeover WHERE job_id = $1", job)?;
    Ok(())
}
