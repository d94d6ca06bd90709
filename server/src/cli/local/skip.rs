//! Images that are there already: the commit's own.

use std::collections::BTreeMap;

use slipway_pipelines::plan::{Action, Phase, Plan};
use slipway_runner::{engine::Engine, inventory};

use crate::cli::Failure;

/// Leaves out of a plan what would build an image again that the engine has under its commit, `pre` commands included.
/// Returns these images' ids by app. `commits` are the commit's tags by app.
pub(super) async fn skip_built(
    plan: &mut Plan,
    engine: &Engine,
    commits: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut there = BTreeMap::new();
    for step in &plan.steps {
        let (Action::Build { image, .. }, Some(commit), None) = (&step.action, commits.get(&step.app), &step.skipped)
        else {
            continue;
        };
        let name = format!("{image}:{commit}");
        if let Some(id) = inventory::find(engine, &name).await? {
            there.insert(step.app.clone(), (id, name));
        }
    }
    for step in &mut plan.steps {
        let makes = matches!(step.action, Action::Build { .. } | Action::Run { phase: Phase::Pre, .. });
        if let Some((_, name)) = there.get(&step.app).filter(|_| makes && step.skipped.is_none()) {
            step.skipped = Some(format!("{name} is already built; -f builds it again"));
        }
    }
    Ok(there.into_iter().map(|(app, (id, _))| (app, id)).collect())
}
