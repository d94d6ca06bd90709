//! What an app's image is made by: two builds of one commit with the same recipe want the same image.

use serde::Serialize;

use super::{Action, Plan, PlannedService, StepRun};
use crate::variables::{ENVIRONMENT_ONLY, NAMES};

/// The variables that two builds of one commit do not share. A step whose text names one of them may make something else
/// for a tag than it made for the branch.
const OF_A_BUILD: [&str; 5] = ["SLIPWAY_BRANCH", "SLIPWAY_TAG", "SLIPWAY_REF", "SLIPWAY_BUILD_NUMBER", "SLIPWAY_EVENT"];

#[derive(Serialize)]
struct Recipe<'p> {
    steps: Vec<Ingredient<'p>>,
    services: Vec<&'p PlannedService>,
}

#[derive(Serialize)]
struct Ingredient<'p> {
    app: &'p str,
    is_left_out: bool,
    action: Action,
}

impl Plan {
    /// Everything that the build step with this index goes by, apart from the commit: itself and all that comes before
    /// it, in the order of the plan. None where it is no step of the plan, or where what is made depends on the branch or
    /// tag that the build is of, as far as captain.yml shows it.
    #[must_use]
    pub fn recipe(&self, index: u32) -> Option<String> {
        let mut wanted = vec![index];
        let mut steps = Vec::new();
        // A step needs only earlier ones, so that one pass from the last to the first reaches all.
        for step in self.steps.iter().rev().filter(|step| step.index <= index) {
            if wanted.contains(&step.index) {
                wanted.extend(&step.needs);
                let action = own(step.action.clone());
                steps.push(Ingredient { app: &step.app, is_left_out: step.skipped.is_some(), action });
            }
        }
        if steps.is_empty() {
            return None;
        }
        steps.reverse();
        let services = self.services.iter().filter(|service| steps.iter().any(|step| step.app == service.app));
        let services = services.collect();
        let text = serde_json::to_string(&Recipe { steps, services }).ok()?;
        (!OF_A_BUILD.iter().any(|name| text.contains(name))).then_some(text)
    }
}

/// An action without the variables that every step is given.
fn own(mut action: Action) -> Action {
    if let Action::Run { run, .. } = &mut action {
        let env = match run {
            StepRun::Shell { env, .. } => env,
            StepRun::Container { container, .. } => &mut container.env,
        };
        env.retain(|(name, _)| !NAMES.contains(&name.as_str()) && !ENVIRONMENT_ONLY.contains(&name.as_str()));
    }
    action
}
