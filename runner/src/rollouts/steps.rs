//! The steps of a rollout as people see them.

use crate::coordinator::{ReleaseContent, RolloutWork, StepDeclaration, StepKind};

/// Checking and pulling is the first step.
pub(super) const PREFLIGHT: u32 = 0;

/// The index of the step that rolls the release's app at `position`.
pub(super) fn roll(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX - 3) + 1
}

/// The index of the step that removes what was replaced.
pub(super) fn cleanup(release: &ReleaseContent) -> u32 {
    roll(release.apps.len())
}

/// The index of the step that returns to the release before; it is declared only when it is needed.
pub(super) fn returning(release: &ReleaseContent) -> u32 {
    cleanup(release) + 1
}

/// The steps of a rollout that succeeds.
pub(super) fn declare(work: &RolloutWork) -> Vec<StepDeclaration> {
    let release = &work.release;
    let mut steps = vec![step(PREFLIGHT, None, StepKind::Preflight, "Check every image and fetch what is missing")];
    for (position, app) in release.apps.iter().enumerate() {
        let count = app.run.replicas;
        let plural = if count == 1 { "" } else { "s" };
        let name = format!("{}: {count} replica{plural} of release {}", app.app, release.number);
        steps.push(step(roll(position), Some(&app.app), StepKind::Roll, &name));
    }
    steps.push(step(cleanup(release), None, StepKind::Cleanup, "Remove what the release replaced"));
    steps
}

/// The step that undoes a rollout that failed.
pub(super) fn declare_return(work: &RolloutWork) -> StepDeclaration {
    let name = match &work.previous {
        Some(previous) => format!("Return to release {}", previous.number),
        None => "Remove the failed release".to_owned(),
    };
    let mut declared = step(returning(&work.release), None, StepKind::Return, &name);
    declared.needs.clear();
    declared
}

/// The steps run one after the other.
fn step(index: u32, app: Option<&str>, kind: StepKind, name: &str) -> StepDeclaration {
    let needs = index.checked_sub(1).into_iter().collect();
    StepDeclaration { index, app: app.map(str::to_owned), kind, name: name.to_owned(), needs, skipped: None }
}
