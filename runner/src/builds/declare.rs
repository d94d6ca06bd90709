//! A plan's steps as the server is told of them.

use slipway_pipelines::plan::{Action, Phase, Plan, PlannedStep};

use crate::coordinator::{KnownStep, StepDeclaration, StepKind};

/// The index of the checkout, before the plan's own steps.
pub(super) const CHECKOUT: u32 = 0;

/// The checkout, which is known before there is a plan.
pub(super) fn checkout() -> StepDeclaration {
    StepDeclaration {
        index: CHECKOUT,
        app: None,
        kind: StepKind::Checkout,
        name: "checkout".to_owned(),
        needs: Vec::new(),
        skipped: None,
        taken_over: false,
    }
}

/// The plan's steps, of which some are taken over. Those that need none of them need what is in `first`.
pub(super) fn steps(plan: &Plan, first: &[u32], taken: &[KnownStep]) -> Vec<StepDeclaration> {
    plan.steps
        .iter()
        .map(|step| StepDeclaration {
            index: step.index,
            app: Some(step.app.clone()),
            kind: kind(step),
            name: step.name.clone(),
            needs: if step.needs.is_empty() { first.to_vec() } else { step.needs.clone() },
            skipped: step.skipped.clone(),
            taken_over: taken.iter().any(|taken| taken.index == step.index),
        })
        .collect()
}

fn kind(step: &PlannedStep) -> StepKind {
    match &step.action {
        Action::Run { phase: Phase::Pre, .. } => StepKind::Pre,
        Action::Run { phase: Phase::Post, .. } => StepKind::Post,
        Action::Run { phase: Phase::Test, .. } => StepKind::Test,
        Action::Build { .. } => StepKind::Build,
        Action::Push { .. } => StepKind::Push,
    }
}
