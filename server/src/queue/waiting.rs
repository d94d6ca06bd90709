//! Why a job waits, in words.

use super::JobState;
use crate::store::{self, Conn, StoreError, jobs::Job};

/// Why a job waits; none when it does not.
///
/// # Errors
/// When the database fails.
pub async fn waits_for(conn: &mut Conn<'_>, job: &Job) -> Result<Option<String>, StoreError> {
    if job.state != JobState::Queued {
        return Ok(None);
    }
    if let Some(key) = &job.concurrency_key
        && let Some(holder) = store::jobs::leased_under(conn, key).await?
        && let Some(release) = &holder.release_id
        && let Some(release) = store::releases::find(conn, release).await?
        && let Some(environment) = store::environments::find(conn, &release.environment_id).await?
    {
        return Ok(Some(format!("waiting for release {} of {}", release.number, environment.name)));
    }
    if store::runners::list(conn).await?.is_empty() {
        return Ok(Some("waiting for a runner: none has announced itself yet".to_owned()));
    }
    Ok(Some(match store::jobs::ahead_of(conn, &job.id).await? {
        0 => "waiting for a free runner".to_owned(),
        1 => "waiting for a free runner; 1 job is ahead".to_owned(),
        ahead => format!("waiting for a free runner; {ahead} jobs are ahead"),
    }))
}
