//! `-D`: what is sent to the engine.

use std::collections::BTreeMap;

use slipway_pipelines::plan::{Action, Plan, StepRun};

use crate::cli::{Failure, say};

/// Tells of every step what it comes to. Values of variables are left out: they may be nobody else's business.
pub(super) fn tell(plan: &Plan, names: &BTreeMap<String, Vec<String>>) -> Result<(), Failure> {
    for step in plan.steps.iter().filter(|step| step.skipped.is_none()) {
        let text = match &step.action {
            Action::Build { dockerfile, context, target, build_args, .. } => {
                let target = target.as_ref().map(|target| format!(", stage {target}")).unwrap_or_default();
                let kept = names.get(&step.app).map(|names| names.join(", ")).unwrap_or_default();
                format!("build {dockerfile} in {context}{target}, arguments {}; kept as {kept}", keys(build_args))
            }
            Action::Run { run: StepRun::Shell { image, line, env, .. }, .. } => {
                format!("run /bin/sh -ec {line:?} in {image}, variables {}", keys(env))
            }
            Action::Run { run: StepRun::Container { container, .. }, .. } => format!(
                "run {} {:?} in {}, variables {}",
                container.entrypoint.as_deref().unwrap_or("the image's entrypoint"),
                container.args,
                container.image,
                keys(&container.env)
            ),
            Action::Push { image, tags, .. } => format!("push {image} as {}", tags.join(", ")),
        };
        say(format_args!("[slipway] debug: {} step {}: {text}", step.app, step.index))?;
    }
    Ok(())
}

fn keys(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return "none".to_owned();
    }
    pairs.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(" ")
}
