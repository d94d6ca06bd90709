//! Runners that need somebody: silent ones, and those whose disk is nearly full. Each is told of once, and once when it is
//! over.

use slipway_runner::coordinator::HostMeasurement;

use super::Presence;
use crate::{
    events::NewEvent,
    store::{
        Store, StoreError, Tx,
        runners::{self, Runner},
    },
};

/// How much of a disk is taken when it counts as nearly full, in percent, and how much when there is room on it again: what
/// is about one of them is not told again and again.
const FULL: u64 = 90;
const ROOM: u64 = 85;

/// Notes who has gone silent, and who is heard of again. Whoever calls this has let pass as long as a lease holds since the
/// server could be spoken to.
///
/// # Errors
/// When the database fails.
pub async fn notice_silence(store: &Store) -> Result<(), StoreError> {
    let now = store.lease_time().await?;
    let all = runners::list(&mut store.read().await?.conn()).await?;
    for runner in all {
        // One that was silent before it was told to drain did not end in order.
        let is_silent = match Presence::of(&runner, now) {
            Presence::Silent => true,
            Presence::Gone => runner.silent_at.is_some(),
            _ => false,
        };
        if is_silent == runner.silent_at.is_some() {
            continue;
        }
        let mut tx = store.write().await?;
        if is_silent && runners::fall_silent(&mut tx, &runner.id, runner.last_seen_at).await? {
            let reason =
                "it was not heard of for a minute; its jobs are given to others, and nobody heals what it hosts";
            tx.emit(event("runner.silent", &runner).with("reason", reason));
        } else if !is_silent && runners::be_heard(&mut tx, &runner.id).await? {
            tx.emit(event("runner.heard", &runner));
        }
        tx.commit().await?;
    }
    Ok(())
}

/// Notes by what was measured of a runner's host whether its disk is nearly full.
pub(crate) async fn notice_disk(tx: &mut Tx, runner: &Runner, host: &HostMeasurement) -> Result<(), StoreError> {
    // Nothing can be said of a disk that was not measured.
    let Some(taken) = host.disk.saturating_mul(100).checked_div(host.disk_limit) else { return Ok(()) };
    let is_full = taken >= if runner.disk_full_at.is_some() { ROOM } else { FULL };
    if is_full == runner.disk_full_at.is_some() || !runners::fill_disk(tx, &runner.id, is_full).await? {
        return Ok(());
    }
    let kind = if is_full { "runner.disk_full" } else { "runner.disk_free" };
    tx.emit(event(kind, runner).with("reason", format!("{taken} % of the disk that its folder is on are taken")));
    Ok(())
}

fn event(kind: &'static str, runner: &Runner) -> NewEvent {
    NewEvent::new(kind).with("runner", &runner.id).with("name", &runner.name)
}
