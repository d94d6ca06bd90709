//! How long a rollout may take at most: far longer than it does when all goes as it should, since it is the net under a
//! runner that neither ends it nor fails.

use std::time::Duration;

use slipway_pipelines::{config::Strategy, release::ReleaseCommands};

use crate::store::releases::Release;

/// What any rollout may take: pulling images, above all.
const BASE_MS: u64 = 60 * 60 * 1_000;
/// What is needed for a replica besides its start and its end.
const REPLICA_MS: u64 = 2 * 60 * 1_000;

/// The most that the rollout of a release may take: its bakes, its commands, and every replica one after the other; twice,
/// as it may have to return.
pub(super) fn most(release: &Release) -> Duration {
    let bakes = match &release.strategy.0 {
        Strategy::Canary { steps, bake_ms, .. } => bake_ms.saturating_mul(steps.len() as u64),
        Strategy::BlueGreen { bake_ms } => *bake_ms,
        Strategy::Rolling(_) | Strategy::Recreate => 0,
    };
    let commands = |commands: &ReleaseCommands| commands.timeout_ms.saturating_mul(commands.run.len() as u64);
    let apps = release.content.0.iter().map(|app| {
        let run = &app.run;
        let replica = REPLICA_MS.saturating_add(run.health.start_ms).saturating_add(run.drain_ms);
        let replicas = replica.saturating_mul(u64::from(run.replicas));
        replicas.saturating_add(commands(&run.before)).saturating_add(commands(&run.after))
    });
    let once = apps.fold(BASE_MS.saturating_add(bakes), u64::saturating_add);
    Duration::from_millis(once.saturating_mul(2))
}
