//! Taking over the schedules that a build of the default branch brings.

use slipway_pipelines::{config, schedule::Times};

use crate::{
    events::NewEvent,
    store::{
        StoreError, Tx,
        repositories::Repository,
        schedules::{self, Schedule},
    },
};

/// Makes the repository's schedules those given: new ones are added, changed ones changed, and those no longer named are
/// gone. One that stays as it is keeps its next time, and one that is paused stays paused.
///
/// # Errors
/// When the database fails.
pub(crate) async fn define(
    tx: &mut Tx,
    repository: &Repository,
    wanted: &[config::Schedule],
) -> Result<(), StoreError> {
    let known = schedules::of_repository(&mut tx.conn(), &repository.id).await?;
    for (position, schedule) in (0_i64..).zip(wanted) {
        let branch = schedule.branch.as_deref().unwrap_or(&repository.default_branch);
        let same = |known: &Schedule| {
            known.name == schedule.name
                && known.position == position
                && known.cron == schedule.cron
                && known.timezone == schedule.timezone
                && known.branch == branch
        };
        if known.iter().any(same) {
            continue;
        }
        // A runner of another release may know lines that this server does not: its build has succeeded all the same.
        let next_at = match Times::of(schedule) {
            Ok(times) => times.after(tx.now()),
            Err(error) => {
                tracing::error!(schedule = %schedule.name, %error, "cannot keep a schedule");
                None
            }
        };
        schedules::upsert(tx, &repository.id, position, schedule, branch, next_at).await?;
        tx.emit(NewEvent::new("schedule.defined").repository(&repository.id).with("name", &schedule.name));
        tx.ring_schedules();
    }
    for gone in &known {
        if wanted.iter().all(|schedule| schedule.name != gone.name) {
            schedules::remove(tx, &gone.id).await?;
            tx.emit(NewEvent::new("schedule.removed").repository(&repository.id).with("name", &gone.name));
        }
    }
    Ok(())
}
