//! `slipway purge`.

use std::collections::BTreeSet;

use clap::Args;
use slipway_pipelines::{config::Config, plan::Reference};
use slipway_runner::{engine::Engine, inventory};

use super::{
    engine,
    flags::{Common, Names},
    naming::{LATEST, Naming},
    pull::images,
};
use crate::cli::{Failure, exit, say, tree::WorkingTree};

/// Deletes the working tree's stale images from the engine: those that are of no branch's or tag's latest commit.
#[derive(Debug, Args)]
pub(in crate::cli) struct Purge {
    /// The one app that is wanted.
    app: Option<String>,
    /// Deletes also what has no name left, of this repository.
    #[arg(short = 'd', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = false, hide_default_value = true, hide_possible_values = true)]
    dangling: bool,
}

impl Purge {
    pub(in crate::cli) async fn run(self, common: Common) -> Result<(), Failure> {
        let tree = WorkingTree::open(&std::env::current_dir()?, &common.namespace())?;
        let config = tree.config()?;
        let engine = engine().await?;
        let names = Names::default();
        let naming = Naming::new(&tree, &names, common.long_sha)?;
        let mut stale = Vec::new();
        for (app, image) in images(&tree, &config, self.app.as_deref())? {
            let kept = kept(&tree, &naming, &config, &app);
            let found = inventory::names(&engine, &image).await?;
            stale.extend(
                found.into_iter().filter(|name| name.rsplit_once(':').is_some_and(|(_, tag)| !kept.contains(tag))),
            );
        }
        let mut refused = delete(&engine, &stale).await?;
        if self.dangling {
            refused += delete(&engine, &inventory::nameless(&engine, tree.repository()).await?).await?;
        }
        if refused == 0 { Ok(()) } else { Err(Failure::told(exit::NOT_DELETED)) }
    }
}

/// Deletes them all, and says which the engine keeps; how many those are.
async fn delete(engine: &Engine, names: &[String]) -> Result<usize, Failure> {
    let mut refused = 0;
    for name in names {
        say(format_args!("[slipway] deleting {name}"))?;
        if let Err(error) = inventory::forget(engine, name).await {
            say(format_args!("[slipway] {error}"))?;
            refused += 1;
        }
    }
    Ok(refused)
}

/// The tags that stay: latest, those of every branch and git tag, and the commits that these stand at.
fn kept(tree: &WorkingTree, naming: &Naming<'_>, config: &Config, app: &str) -> BTreeSet<String> {
    let mut kept = BTreeSet::from([LATEST.to_owned()]);
    let Some(git) = &tree.git else { return kept };
    kept.extend(naming.commit(config, app));
    for (branch, tips) in &git.branches {
        kept.extend(naming.label(Reference::Branch(branch.clone())));
        kept.extend(tips.iter().flat_map(|tip| forms(tip)));
    }
    for (tag, stands_at) in &git.tags {
        kept.extend(naming.label(Reference::Tag(tag.clone())));
        kept.extend(stands_at.iter().flat_map(|commit| forms(commit)));
    }
    kept
}

/// The tags that an image of a commit may bear.
fn forms(commit: &str) -> [String; 2] {
    [commit.to_owned(), commit.chars().take(7).collect()]
}
