//! Taking over the environments that a build of the default branch brings.

use slipway_pipelines::config;

use super::Settings;
use crate::{
    events::NewEvent,
    ids::RepositoryId,
    store::{
        StoreError, Tx,
        environments::{self, Environment},
    },
};

/// Makes the repository's environments those given: new ones are added, changed ones changed, and those no longer
/// named are marked as removed. What runs in those goes on running, and their releases stay.
///
/// # Errors
/// When the database fails.
pub(crate) async fn define(
    tx: &mut Tx,
    repository: &RepositoryId,
    wanted: &[config::Environment],
) -> Result<(), StoreError> {
    let known = environments::of_repository(&mut tx.conn(), repository).await?;
    for (position, environment) in (0_i64..).zip(wanted) {
        let same = |known: &Environment| {
            known.name == environment.name
                && known.position == position
                && known.source.0 == environment.from
                && known.settings.0 == Settings::from(environment)
                && known.removed_at.is_none()
        };
        if known.iter().any(same) {
            continue;
        }
        environments::upsert(tx, repository, position, environment).await?;
        tx.emit(NewEvent::new("environment.defined").repository(repository).with("name", &environment.name));
        tx.ring_gates();
    }
    for gone in known.iter().filter(|known| known.removed_at.is_none()) {
        if wanted.iter().all(|environment| environment.name != gone.name) {
            environments::mark_removed(tx, &gone.id).await?;
            tx.emit(
                NewEvent::new("environment.removed")
                    .repository(repository)
                    .environment(&gone.id)
                    .with("name", &gone.name),
            );
        }
    }
    Ok(())
}
