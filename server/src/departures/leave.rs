//! Taking a repository out of sight.

use crate::{
    events::NewEvent,
    store::{StoreError, Tx, disconnection, repositories::Repository},
};

/// Lets a repository go: its address and its name lead nowhere from then on, its secrets and schedules are gone, and nobody
/// looks after what is live of it. Everything else is the remover's.
///
/// # Errors
/// When the database fails.
pub async fn leave(tx: &mut Tx, repository: &Repository) -> Result<(), StoreError> {
    disconnection::let_go(tx, &repository.id).await?;
    tx.emit(NewEvent::new("repository.disconnected").repository(&repository.id).with("name", &repository.name));
    // Runners that hold a job of it look whether they still do.
    tx.ring_queue();
    Ok(())
}
