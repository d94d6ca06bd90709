//! What people do with schedules: run one now, pause it, let it go on.

use super::{fire::queue, times};
use crate::{
    events::NewEvent,
    store::{
        StoreError, Tx,
        builds::Build,
        schedules::{self, Schedule},
    },
};

/// Queues a schedule's build now; its times stay as they are.
///
/// # Errors
/// When the database fails.
pub async fn run_now(tx: &mut Tx, schedule: &Schedule) -> Result<Build, StoreError> {
    queue(tx, schedule).await
}

/// Lets a schedule wait until it is to go on. What passes meanwhile is not made up for.
///
/// # Errors
/// When the database fails.
pub async fn pause(tx: &mut Tx, schedule: &Schedule) -> Result<(), StoreError> {
    if schedule.paused_at.is_some() {
        return Ok(());
    }
    let now = tx.now();
    schedules::set_paused(tx, &schedule.id, Some(now), None).await?;
    tx.emit(NewEvent::new("schedule.paused").repository(&schedule.repository_id).with("name", &schedule.name));
    Ok(())
}

/// Lets a paused schedule go on with its next time.
///
/// # Errors
/// When the database fails.
pub async fn resume(tx: &mut Tx, schedule: &Schedule) -> Result<(), StoreError> {
    if schedule.paused_at.is_none() {
        return Ok(());
    }
    let next_at = times(schedule)?.after(tx.now());
    schedules::set_paused(tx, &schedule.id, None, next_at).await?;
    tx.emit(NewEvent::new("schedule.resumed").repository(&schedule.repository_id).with("name", &schedule.name));
    tx.ring_schedules();
    Ok(())
}
