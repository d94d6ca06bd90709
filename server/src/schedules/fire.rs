//! Keeping a time: its build is queued, and the schedule waits for its next one.

use super::times;
use crate::{
    builds::{Created, NewBuild, create},
    events::NewEvent,
    store::{
        Store, StoreError, Tx,
        builds::Build,
        schedules::{self, Schedule},
    },
};

/// Of how many times of a schedule it is remembered that they were kept.
const REMEMBERED: i64 = 1_000;
/// Up to how many times that passed unkept are counted.
const MOST_MISSED: i64 = 1_000;

/// Keeps every time that has come by now, and says when the next one comes, in unix milliseconds. A schedule that cannot be
/// kept is left for the next look, and keeps no other from it.
///
/// # Errors
/// When the database cannot even be asked.
pub async fn fire_due(store: &Store) -> Result<Option<i64>, StoreError> {
    let now = store.clock().now();
    let due = {
        let mut reader = store.read().await?;
        schedules::due(&mut reader.conn(), now).await?
    };
    for schedule in due {
        if let Err(error) = fire(store, &schedule).await {
            tracing::error!(schedule = %schedule.name, %error, "cannot keep a schedule");
        }
    }
    let mut reader = store.read().await?;
    schedules::next_due(&mut reader.conn()).await
}

/// Keeps the newest time of a schedule that has come. Of those before it, which passed while no server ran, none is made
/// up for.
async fn fire(store: &Store, schedule: &Schedule) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    let (Some(first), times) = (schedule.next_at, times(schedule)?) else { return Ok(()) };
    let slot = times.until(tx.now()).filter(|slot| *slot > first).unwrap_or(first);
    let mut missed = 0;
    let mut passed = Some(first);
    while let Some(time) = passed.filter(|time| *time < slot && missed < MOST_MISSED) {
        missed += 1;
        passed = times.after(time);
    }
    // Whoever moves it on keeps it: another server that looked at the same moment finds it moved.
    let next_at = times.after(tx.now().max(slot));
    if !schedules::move_on(&mut tx, schedule, next_at).await? {
        return Ok(());
    }
    // Kept before: the clock was set back since.
    if schedules::was_kept(&mut tx.conn(), &schedule.id, slot).await? {
        return tx.commit().await;
    }
    let build = queue(&mut tx, schedule).await?;
    schedules::note_fire(&mut tx, &schedule.id, slot, missed, &build.id).await?;
    schedules::forget_fires(&mut tx, &schedule.id, REMEMBERED).await?;
    tx.emit(
        NewEvent::new("schedule.fired")
            .repository(&schedule.repository_id)
            .build(&build.id)
            .with("name", &schedule.name)
            .with("number", build.number)
            .with("slot", slot)
            .with("missed", missed),
    );
    tx.commit().await
}

/// Queues a build of whatever the schedule's branch stands at when it is checked out.
pub(super) async fn queue(tx: &mut Tx, schedule: &Schedule) -> Result<Build, StoreError> {
    let git_ref = format!("refs/heads/{}", schedule.branch);
    let new = NewBuild::asked_for(schedule.repository_id.clone(), "schedule", git_ref);
    match create(tx, &new).await? {
        Created::Queued(build) => Ok(build),
        Created::Already(_) | Created::Overtaken(_) | Created::Crowded => {
            Err(StoreError::corrupt("schedule", &schedule.name, "its build was taken for a repetition"))
        }
    }
}
