//! Where jobs may run: the labels that a repository's builds need, and the runner that hosts an environment.

use super::{Conn, JsonText, StoreError, Tx, execute, row};
use crate::{
    events::NewEvent,
    ids::{EnvironmentId, ReleaseId, RepositoryId},
    runners::Labels,
};

/// The labels that a runner must have to build the repository.
///
/// # Errors
/// When the database fails.
pub async fn needed_labels(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Labels, StoreError> {
    let found: Option<(JsonText<Labels>,)> =
        row!(conn, "SELECT runner_labels FROM repository WHERE id = $1", repository)?;
    Ok(found.map(|(labels,)| labels.0).unwrap_or_default())
}

/// Sets the labels that a runner must have to build the repository; what waits goes by them at once.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such repository.
pub async fn need_labels(tx: &mut Tx, repository: &RepositoryId, labels: &Labels) -> Result<(), StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE repository SET runner_labels = $2 WHERE id = $1",
        repository,
        JsonText(labels)
    )?;
    if changed != 1 {
        return Err(StoreError::missing("repository", repository));
    }
    tx.emit(NewEvent::new("repository.changed").repository(repository));
    tx.ring_queue();
    Ok(())
}

/// The runner that hosts an environment; none before its first rollout.
///
/// # Errors
/// When the database fails.
pub async fn host(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Option<String>, StoreError> {
    let found: Option<(Option<String>,)> = row!(conn, "SELECT runner_id FROM environment WHERE id = $1", environment)?;
    Ok(found.and_then(|(runner,)| runner))
}

/// Moves an environment to a runner, or lets the next one that takes a rollout of it have it.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such environment.
pub async fn set_host(tx: &mut Tx, environment: &EnvironmentId, runner: Option<&str>) -> Result<(), StoreError> {
    let changed = execute!(&mut tx.conn(), "UPDATE environment SET runner_id = $2 WHERE id = $1", environment, runner)?;
    if changed != 1 {
        return Err(StoreError::missing("environment", environment));
    }
    tx.emit(NewEvent::new("environment.changed").environment(environment));
    tx.ring_queue();
    Ok(())
}

/// The runner takes a rollout: the environment is on its engine from now on, unless it has a host already.
pub(crate) async fn settle(tx: &mut Tx, release: &ReleaseId, runner: &str) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE environment SET runner_id = $2
         WHERE id = (SELECT environment_id FROM release WHERE id = $1) AND runner_id IS NULL",
        release,
        runner
    )?;
    Ok(())
}
