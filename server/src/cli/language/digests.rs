//! `slipway lint --digests`: what to write where a Dockerfile builds on an image that is not pinned.

use std::collections::BTreeSet;

use slipway_pipelines::{
    config::Config,
    diagnostics::{Diagnostic, Severity},
    dockerfile::{Dockerfile, means},
    plan::{Action, Scope, plan},
};
use slipway_runner::registry::{self, Registry};

use crate::cli::{
    Failure,
    local::logins,
    tree::{Assumptions, WorkingTree},
};

/// An image that a Dockerfile names without a digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Loose {
    dockerfile: String,
    place: &'static str,
    image: String,
}

/// A warning for each image without a digest that the tree's Dockerfiles build on or copy from, with the one that its registry
/// has now.
pub(super) async fn unpinned(tree: &WorkingTree, config: &Config) -> Result<Vec<Diagnostic>, Failure> {
    let loose = loose(tree, config);
    let hosts: BTreeSet<String> = loose.iter().filter_map(|loose| registry::host(&loose.image).ok()).collect();
    let registry = Registry::new(&logins::read(&hosts).await?);
    let mut found = Vec::new();
    for Loose { dockerfile, place, image } in loose {
        let advice = match registry.digest(&image).await {
            Ok(Some(digest)) => format!("write {image}@{digest}"),
            Ok(None) => "no registry has it".to_owned(),
            Err(error) => error.to_string(),
        };
        let text = format!("{place} {image} is whatever its tag means on the day: {advice}");
        found.push(Diagnostic::of_whole(&dockerfile, Severity::Warning, text));
    }
    Ok(found)
}

fn loose(tree: &WorkingTree, config: &Config) -> BTreeSet<Loose> {
    let trigger = tree.trigger(Assumptions::default());
    // Why it cannot be planned is told by the rest of lint.
    let Ok(plan) = plan(config, &tree.situation(config, trigger, Scope::default())) else { return BTreeSet::new() };
    let builds = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Build { dockerfile, target, build_args, image, .. } => Some((dockerfile, target, build_args, image)),
        _ => None,
    });
    let own: Vec<&String> = builds.clone().map(|(.., image)| image).collect();
    let mut loose = BTreeSet::new();
    for (dockerfile, target, build_args, _) in builds {
        let Some(text) = tree.read(dockerfile) else { continue };
        for used in Dockerfile::read(&text, build_args).images(target.as_deref()) {
            if !used.image.contains('@') && !own.iter().any(|own| means(&used.image, own)) {
                loose.insert(Loose { dockerfile: dockerfile.clone(), place: used.place, image: used.image });
            }
        }
    }
    loose
}
