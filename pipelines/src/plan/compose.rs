//! Environments that a compose file describes.

use std::collections::BTreeMap;

use super::{PlanError, Tree};
use crate::{
    config::{App, Config, Environment},
    diagnostics::{Diagnostic, Diagnostics, Severity},
    parse::{compose, target},
    release::{ReleaseSettings, RunSpec},
};

/// The environments in file order, each with what its compose file says of the apps under what captain.yml says of them
/// there. What is said of the files is added to `told`.
pub(super) fn environments(
    config: &Config,
    tree: &Tree,
    told: &mut Vec<String>,
) -> Result<Vec<Environment>, PlanError> {
    let mut environments = config.environments.clone();
    let mut read: BTreeMap<(String, &str), Vec<(String, ReleaseSettings)>> = BTreeMap::new();
    for environment in &mut environments {
        let Some(path) = environment.compose.clone() else { continue };
        let wrong = |problems| PlanError::Compose { environment: environment.name.clone(), problems };
        let file = (path.clone(), environment.target.word());
        if !read.contains_key(&file) {
            let text = tree.compose.get(&path).ok_or_else(|| wrong(missing(&path)))?;
            let composed = compose::read(&path, text, &config.apps, environment.target).map_err(wrong)?;
            let warnings = composed.warnings.0.into_iter();
            told.extend(
                warnings.map(|warning| Diagnostic { excerpt: String::new(), link: None, ..warning }.to_string()),
            );
            read.insert(file.clone(), composed.apps);
        }
        let composed = read.get(&file).map_or_else(Vec::new, Clone::clone);
        environment.apps = laid_over(&environment.apps, composed);
        without_port(&path, config, &environment.apps)
            .map_or(Ok(()), |problems| Err(PlanError::Compose { environment: environment.name.clone(), problems }))?;
        let unkept = unkept(environment, &config.apps, &path);
        if !unkept.0.is_empty() {
            return Err(PlanError::Compose { environment: environment.name.clone(), problems: unkept });
        }
    }
    Ok(environments)
}

/// What needs a port that neither captain.yml nor the file names.
fn without_port(path: &str, config: &Config, apps: &[(String, ReleaseSettings)]) -> Option<Diagnostics> {
    let problem = |(name, over): &(String, ReleaseSettings)| {
        let own = config.apps.iter().find(|app| app.name == *name)?.release.as_ref()?;
        let key = RunSpec::resolve(&[own, over]).without_port()?;
        let message =
            format!("\"{key}\" of the app \"{name}\" needs its port, which neither this file nor captain.yml names");
        Some(Diagnostic::of_whole(path, Severity::Error, message))
    };
    let problems: Vec<Diagnostic> = apps.iter().filter_map(problem).collect();
    (!problems.is_empty()).then_some(Diagnostics(problems))
}

/// What the environment's kind of engine cannot keep of what the file says together with captain.yml.
fn unkept(environment: &Environment, apps: &[App], path: &str) -> Diagnostics {
    let mut told = Vec::new();
    for app in apps {
        let over = environment.apps.iter().find(|(name, _)| *name == app.name).map(|(_, over)| over);
        told.extend(target::unkept(environment, app, over).into_iter().map(|problem| {
            let expected = problem.expected;
            Diagnostic { expected, ..Diagnostic::of_whole(path, Severity::Error, problem.message) }
        }));
    }
    Diagnostics(told)
}

fn missing(path: &str) -> Diagnostics {
    let message = "this compose file is not in the commit, or cannot be read".to_owned();
    Diagnostics(vec![Diagnostic::of_whole(path, Severity::Error, message)])
}

fn laid_over(
    own: &[(String, ReleaseSettings)],
    composed: Vec<(String, ReleaseSettings)>,
) -> Vec<(String, ReleaseSettings)> {
    let lay = |(app, mut settings): (String, ReleaseSettings)| {
        if let Some((_, over)) = own.iter().find(|(name, _)| *name == app) {
            settings.lay(over);
        }
        (app, settings)
    };
    composed.into_iter().map(lay).collect()
}

/// The paths of the compose files that a plan wants to read, each once: whoever makes a [`super::Situation`] puts their
/// texts into its tree.
#[must_use]
pub fn compose_files(config: &Config) -> Vec<String> {
    let mut paths: Vec<String> =
        config.environments.iter().filter_map(|environment| environment.compose.clone()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}
