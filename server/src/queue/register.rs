//! A runner's new life: what its earlier one held goes back at once.

use slipway_runner::coordinator::Hello;

use super::{JobState, ServerCoordinator, fence::ReportError, give_back::give_back};
use crate::{
    events::NewEvent,
    store::{self, runners::Runner},
};

/// The longest id or name of a runner, in characters.
const NAME_LIMIT: usize = 200;

/// Notes the runner's new life. Of the jobs that it held, those that it can go on with stay its own; the others go
/// back to the queue.
pub(super) async fn register(server: &ServerCoordinator, hello: &Hello) -> Result<(), ReportError> {
    let named = |text: &str| !text.is_empty() && text.chars().count() <= NAME_LIMIT;
    if ![&hello.runner, &hello.name, &hello.incarnation, &hello.version].into_iter().all(|text| named(text)) {
        return Err(ReportError::Refused(format!(
            "a runner's id, name, incarnation and version must have 1 to {NAME_LIMIT} characters"
        )));
    }
    let mut tx = server.store.write().await?;
    let runner = Runner {
        id: hello.runner.clone(),
        name: hello.name.clone(),
        incarnation: hello.incarnation.clone(),
        capacity: i64::from(hello.capacity),
        version: hello.version.clone(),
        last_seen_at: tx.now(),
    };
    store::runners::upsert(&mut tx, &runner).await?;
    tx.emit(NewEvent::new("runner.registered").with("runner", &runner.id).with("name", &runner.name));
    let until = tx.now() + server.timing.lease_ms();
    for held in store::jobs::held_by(&mut tx.conn(), &hello.runner).await? {
        // The rescuer may have taken it between our look and now.
        let Some(held) = store::jobs::lock(&mut tx, &held.id).await? else { continue };
        if held.state != JobState::Leased || held.lease_owner.as_deref() != Some(hello.runner.as_str()) {
            continue;
        }
        let resumes = |lease: &slipway_runner::coordinator::LeaseKey| {
            lease.job == held.id.as_str() && lease.epoch == held.lease_epoch
        };
        if hello.resuming.iter().any(resumes) {
            store::jobs::extend(&mut tx, &held.id, held.lease_epoch, &hello.runner, &hello.incarnation, until).await?;
        } else if held.lease_incarnation.as_deref() != Some(hello.incarnation.as_str()) {
            give_back(&mut tx, held, "the runner was restarted").await?;
        }
    }
    tx.commit().await?;
    server.forget_orders(&hello.runner);
    Ok(())
}
