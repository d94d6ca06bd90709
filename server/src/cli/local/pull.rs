//! `slipway pull`.

use clap::Args;
use slipway_pipelines::plan::{Action, Goal, Scope, plan};
use slipway_runner::{inventory, registry};

use super::{
    engine,
    flags::{Common, Names, Selection},
    logins,
    naming::{LATEST, Naming, app_of},
};
use crate::cli::{
    Failure, exit,
    language::unplanned,
    say,
    tree::{Assumptions, WorkingTree},
};

/// Pulls the images of the working tree's commit: latest, its branch and its git tags.
#[derive(Debug, Args)]
pub(in crate::cli) struct Pull {
    /// The one app that is wanted.
    app: Option<String>,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    selection: Selection,
}

impl Pull {
    pub(in crate::cli) async fn run(self, common: Common) -> Result<(), Failure> {
        let tree = WorkingTree::open(&std::env::current_dir()?, &common.namespace())?;
        let config = tree.config()?;
        let naming = Naming::new(&tree, &self.names, common.long_sha)?;
        let mut wanted = Vec::new();
        for (app, image) in images(&tree, &config, self.app.as_deref())? {
            let mut tags = vec![LATEST.to_owned()];
            if self.selection.branch_tags {
                tags.extend(naming.labels());
            }
            if self.selection.commit_tags {
                tags.extend(naming.commit(&config, &app));
            }
            tags.extend(self.names.tag.clone());
            tags.dedup();
            wanted.extend(tags.into_iter().map(|tag| format!("{image}:{tag}")));
        }
        let engine = engine().await?;
        let hosts = wanted.iter().filter_map(|image| registry::host(image).ok()).collect();
        let logins = logins::read(&hosts).await?;
        for image in &wanted {
            say(format_args!("[slipway] pulling {image}"))?;
            // Standard output that is gone shows at the next image.
            let tell = |stage: &str| drop(say(format_args!("{image} | {stage}")));
            let pulled = inventory::fetch(&engine, image, &logins, &tell).await;
            pulled.map_err(|error| Failure::new(error.to_string()).with_code(exit::REGISTRY))?;
        }
        Ok(())
    }
}

/// The images of a tree by the apps of its plan; of one app only if one is named.
pub(super) fn images(
    tree: &WorkingTree,
    config: &slipway_pipelines::config::Config,
    app: Option<&str>,
) -> Result<Vec<(String, String)>, Failure> {
    let trigger = tree.trigger(Assumptions::default());
    let scope = Scope { goal: Goal::Build, app: app.map(str::to_owned) };
    let planned = plan(config, &tree.situation(config, trigger, scope));
    let planned = planned.map_err(|error| unplanned(&error))?;
    let is_wanted = |planned: &str| app.is_none_or(|app| app_of(config, planned).is_some_and(|of| of.name == app));
    let images = planned.steps.into_iter().filter_map(|step| match step.action {
        Action::Build { image, .. } if is_wanted(&step.app) => Some((step.app, image)),
        _ => None,
    });
    Ok(images.collect())
}
