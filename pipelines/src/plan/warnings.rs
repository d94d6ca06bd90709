//! What is legal and surely not meant, as far as the commit tells; what the file alone tells is the parser's to say.

use super::{
    PlanError, Situation, Tree,
    instances::{Instance, Instances},
    needs::Needs,
};
use crate::{
    conditions::{PatternError, Patterns},
    config::{App, Config, PushRule},
    dockerfile::{self, Dockerfile},
};

/// How often a pattern is held against a path in search of filters that match nothing; with more than that, nobody looks.
const MAX_COMPARISONS: usize = 2_000_000;

pub(super) fn all(
    config: &Config,
    situation: &Situation,
    instances: &Instances<'_>,
    needs: &Needs,
) -> Result<Vec<String>, PlanError> {
    let mut told = Vec::new();
    for (at, instance) in instances.all.iter().enumerate() {
        left_out_needs(instance, instances, needs, at, &mut told);
        dockerfile(instance, &situation.tree, &mut told);
        other_tags(at, instances, &situation.tree, &mut told);
    }
    for app in &config.apps {
        let pattern = |source| PlanError::Pattern { app: app.name.clone(), source };
        paths(app, &situation.tree, config, &mut told).map_err(pattern)?;
    }
    tests(config, &mut told);
    let mut seen = std::collections::BTreeSet::new();
    told.retain(|text| seen.insert(text.clone()));
    Ok(told)
}

/// Needs that a condition leaves out. That nothing of an app changed is no reason to warn: its last image is as good.
fn left_out_needs(
    instance: &Instance<'_>,
    instances: &Instances<'_>,
    needs: &Needs,
    at: usize,
    told: &mut Vec<String>,
) {
    for need in needs.of[at].iter().filter(|_| instance.left_out.is_none()) {
        let other = &instances.all[need.on];
        let Some(reason) = other.left_out.as_ref().filter(|reason| !reason.starts_with("when.paths")) else { continue };
        let (name, why) = (&instance.name, need.why.in_words());
        told.push(format!("{name} needs {} ({why}), which this build leaves out: {reason}", other.name));
    }
}

/// What a Dockerfile does not have, although the app asks for it.
fn dockerfile(instance: &Instance<'_>, tree: &Tree, told: &mut Vec<String>) {
    let (name, path) = (&instance.name, &instance.dockerfile);
    let Some(text) = tree.dockerfiles.get(path) else {
        // A step before the image may write it.
        let is_missing = tree.files.as_ref().is_some_and(|files| !files.contains(path));
        if is_missing && instance.app.pre.is_empty() && instance.left_out.is_none() {
            told.push(format!("{name}: there is no {path} in this commit"));
        }
        return;
    };
    let file = Dockerfile::read(text, &instance.build_args);
    if let Some(target) = instance.target.as_ref().filter(|target| !file.has_stage(target)) {
        let stages: Vec<&str> = file.stage_names().collect();
        let stages =
            if stages.is_empty() { "none has a name".to_owned() } else { format!("it has {}", stages.join(", ")) };
        told.push(format!("{name}: {path} has no stage \"{target}\"; {stages}"));
    }
    for secret in instance.app.build_secrets.iter().filter(|secret| !file.mounts_secret(secret)) {
        told.push(format!(
            "{name}: no RUN of {path} mounts the secret \"{secret}\", as --mount=type=secret,id={secret} would"
        ));
    }
}

/// Images of this build that a Dockerfile names by a tag of its own, so that it gets what was pushed before.
fn other_tags(at: usize, instances: &Instances<'_>, tree: &Tree, told: &mut Vec<String>) {
    let instance = &instances.all[at];
    let Some(text) = tree.dockerfiles.get(&instance.dockerfile).filter(|_| instance.left_out.is_none()) else { return };
    for used in Dockerfile::read(text, &instance.build_args).images(instance.target.as_deref()) {
        let is_built = |of: &usize| *of != at && instances.all[*of].left_out.is_none();
        let Some(of) = instances.of_image(&used.image).filter(is_built) else { continue };
        if !dockerfile::means(&used.image, &instances.all[of].image) {
            told.push(format!(
                "{}: {} {} is what the registry holds; leave the tag off to build on this build's {}",
                instance.name, used.place, used.image, instances.all[of].name
            ));
        }
    }
}

/// Filters that match no file of the commit.
fn paths(app: &App, tree: &Tree, config: &Config, told: &mut Vec<String>) -> Result<(), PatternError> {
    let Some(files) = &tree.files else { return Ok(()) };
    let steps = |app: &App| app.pre.len() + app.post.len() + app.test.len() + 1;
    let lists: usize = config.apps.iter().map(steps).sum();
    if lists.saturating_mul(files.len()) > MAX_COMPARISONS {
        return Ok(());
    }
    let of_steps = app.pre.iter().chain(&app.post).chain(&app.test).map(|step| &step.when);
    let filters = std::iter::once(&app.when).chain(of_steps).flat_map(|when| &when.paths);
    for filter in filters.filter(|filter| !filter.starts_with('!')) {
        let patterns = Patterns::new(std::slice::from_ref(filter))?;
        if files.iter().any(|file| patterns.matches(file)) {
            continue;
        }
        let folder = format!("{}/", filter.trim_end_matches('/'));
        let hint = files.iter().any(|file| file.starts_with(&folder));
        let hint = if hint { format!("; \"{folder}**\" would match what is in that folder") } else { String::new() };
        told.push(format!("{}: when.paths has \"{filter}\", which matches no file of this commit{hint}", app.name));
    }
    Ok(())
}

/// Tests that hold nothing back, because no build that runs them pushes anything.
fn tests(config: &Config, told: &mut Vec<String>) {
    let pushes = |kind: fn(&PushRule) -> bool| config.apps.iter().any(|app| kind(&app.push));
    let pushes_branches = pushes(|rule| match rule {
        PushRule::Always => true,
        PushRule::Never => false,
        PushRule::Matching { branches, .. } => !branches.is_empty(),
    });
    let pushes_tags = pushes(|rule| match rule {
        PushRule::Always => true,
        PushRule::Never => false,
        PushRule::Matching { tags, .. } => !tags.is_empty(),
    });
    for app in config.apps.iter().filter(|app| !app.test.is_empty()) {
        let name = &app.name;
        if !pushes_branches && !pushes_tags {
            told.push(format!("no push waits for the tests of {name}: no app is ever pushed"));
            continue;
        }
        for when in app.test.iter().map(|step| &step.when).filter(|when| when.event.is_empty()) {
            let (branches, tags) = (when.branch.join(", "), when.tag.join(", "));
            if !when.tag.is_empty() && when.branch.is_empty() && !pushes_tags {
                told.push(format!(
                    "no push waits for a test of {name} whose when.tag is {tags}: no app is pushed for tags"
                ));
            }
            if !when.branch.is_empty() && when.tag.is_empty() && !pushes_branches {
                told.push(format!(
                    "no push waits for a test of {name} whose when.branch is {branches}: no app is pushed for branches"
                ));
            }
        }
    }
}
