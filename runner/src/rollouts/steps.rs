//! The steps of a rollout, as they are taken and as people see them.

use slipway_pipelines::config::{Share, Strategy};

use super::commands::{Command, commands};
use crate::{
    coordinator::{ReleasedApp, RolloutWork, StepDeclaration, StepKind},
    targets::docker::Moment,
};

/// The longest name of a step, in characters.
const NAME_LIMIT: usize = 200;

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage<'w> {
    /// Checking and pulling.
    Preflight,
    /// Running a command of the release.
    Command(Command<'w>),
    /// Leading this share of the traffic to new containers, and judging them.
    Canary(Share),
    /// Replacing an app's containers one by one.
    Roll(&'w ReleasedApp),
    /// Ending an app's old containers, and starting the new ones then.
    Recreate(&'w ReleasedApp),
    /// Starting an app's new containers beside the old ones.
    Start(&'w ReleasedApp),
    /// Starting the new containers of every app side by side.
    StartAll,
    /// Letting people look at the new containers for so long, in milliseconds.
    Preview(u64),
    /// Leading all traffic to the new containers at once.
    Switch,
    /// Removing what was replaced.
    Cleanup,
}

/// The steps of a rollout that succeeds, in order; a step's index is its place. The last is the cleanup.
pub(super) fn stages(work: &RolloutWork) -> Vec<Stage<'_>> {
    let apps = || work.release.apps.iter();
    let commands = |moment| commands(&work.release.apps, moment).filter(|_| work.runs_commands).map(Stage::Command);
    let mut stages = vec![Stage::Preflight];
    stages.extend(commands(Moment::Before));
    match &work.strategy {
        // Two containers of such an app never run side by side, not even to make it anew.
        Strategy::Recreate => stages.extend(apps().map(Stage::Recreate)),
        _ if work.restore => stages.extend([Stage::StartAll, Stage::Switch]),
        Strategy::Rolling(_) => stages.extend(apps().map(Stage::Roll)),
        Strategy::BlueGreen { bake_ms } => {
            stages.extend(apps().map(Stage::Start));
            if *bake_ms > 0 || apps().any(|app| app.run.preview.is_some()) {
                stages.push(Stage::Preview(*bake_ms));
            }
            stages.push(Stage::Switch);
        }
        Strategy::Canary { steps, .. } => {
            // The first release of an environment has nobody to share with.
            stages.extend(steps.iter().filter(|_| work.previous.is_some()).map(|share| Stage::Canary(*share)));
            stages.extend(apps().map(Stage::Roll));
        }
    }
    stages.extend(commands(Moment::After));
    stages.push(Stage::Cleanup);
    stages
}

/// The step at this place.
pub(super) fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX - 1)
}

/// The index of the step that returns to the release before; it is declared only when it is needed.
pub(super) fn returning(work: &RolloutWork) -> u32 {
    index(stages(work).len())
}

/// The steps of a rollout that succeeds.
pub(super) fn declare(work: &RolloutWork) -> Vec<StepDeclaration> {
    let number = work.release.number;
    let declare = |(place, stage): (usize, Stage<'_>)| {
        let index = index(place);
        let app = |app: &ReleasedApp, kind: StepKind, how: &str| {
            let count = app.run.replicas;
            let plural = if count == 1 { "" } else { "s" };
            let name = format!("{}: {count} replica{plural} of release {number}{how}", app.app);
            step(index, Some(&app.app), kind, &name)
        };
        match stage {
            Stage::Preflight => step(index, None, StepKind::Preflight, "Check every image and fetch what is missing"),
            Stage::Command(command) => {
                let name = format!("{}: {} {}", command.app.app, command.moment.word(), command.line());
                step(index, Some(&command.app.app), StepKind::Command, &shortened(&name))
            }
            Stage::Canary(share) => {
                step(index, None, StepKind::Canary, &format!("Try release {number} with {share} % of the traffic"))
            }
            Stage::Roll(released) => app(released, StepKind::Roll, ""),
            Stage::Recreate(released) => app(released, StepKind::Roll, ", after the old ones have ended"),
            Stage::Start(released) => app(released, StepKind::Roll, ", beside the old ones"),
            Stage::StartAll => {
                let count: u32 = work.release.apps.iter().map(|app| app.run.replicas).sum();
                step(index, None, StepKind::Roll, &format!("Start {count} containers of release {number} side by side"))
            }
            Stage::Preview(_) => {
                step(index, None, StepKind::Preview, &format!("Look at release {number} before the switch"))
            }
            Stage::Switch => step(index, None, StepKind::Switch, &format!("Lead all traffic to release {number}")),
            Stage::Cleanup => step(index, None, StepKind::Cleanup, "Remove what the release replaced"),
        }
    };
    stages(work).into_iter().enumerate().map(declare).collect()
}

/// A command may be long; its step's name is a line that people read.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(NAME_LIMIT) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// The step that undoes a rollout that failed.
pub(super) fn declare_return(work: &RolloutWork) -> StepDeclaration {
    let name = match &work.previous {
        Some(previous) => format!("Return to release {}", previous.number),
        None => "Remove the failed release".to_owned(),
    };
    let mut declared = step(returning(work), None, StepKind::Return, &name);
    declared.needs.clear();
    declared
}

/// The steps run one after the other.
fn step(index: u32, app: Option<&str>, kind: StepKind, name: &str) -> StepDeclaration {
    let needs = index.checked_sub(1).into_iter().collect();
    let (app, name) = (app.map(str::to_owned), name.to_owned());
    StepDeclaration { index, app, kind, name, needs, skipped: None, taken_over: false }
}

#[cfg(test)]
mod tests {
    use slipway_pipelines::release::{ReleaseSettings, RunSpec};

    use super::*;
    use crate::coordinator::ReleaseContent;

    #[test]
    fn what_never_runs_twice_is_not_made_anew_side_by_side() {
        let app = ReleasedApp {
            app: "web".to_owned(),
            image: "registry/web".to_owned(),
            digest: "sha256:0".to_owned(),
            run: RunSpec::resolve(&[&ReleaseSettings::default()]),
            build: None,
            secret_versions: std::collections::BTreeMap::new(),
        };
        let release = ReleaseContent { release: "r2".to_owned(), number: 2, apps: vec![app] };
        let restored_by = |strategy: Strategy| {
            let work = RolloutWork {
                environment: "e".to_owned(),
                environment_name: "dev".to_owned(),
                repository_name: "acme/shop".to_owned(),
                release: release.clone(),
                previous: None,
                strategy,
                restore: true,
                runs_commands: false,
                signed_by: None,
                failed: None,
            };
            stages(&work).iter().any(|stage| matches!(stage, Stage::StartAll))
        };
        assert!(restored_by(Strategy::default()));
        assert!(!restored_by(Strategy::Recreate));
    }
}
