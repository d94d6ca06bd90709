//! What a release holds: the build's own artifacts, and what stays of apps that the build left out.

use std::collections::BTreeMap;

use slipway_pipelines::{
    config::TargetKind,
    plan::ReleasePlan,
    release::{ReleaseSettings, RunSpec},
};
use slipway_runner::coordinator::{Artifact, ReleasedApp};

use super::kept;
use crate::{
    secrets::repository::pinned,
    store::{self, StoreError, Tx, builds::Build, environments::Environment, releases::Release},
};

/// What a successful build brings to an environment that takes its branch.
pub(super) enum Content {
    /// These apps.
    Apps(Vec<ReleasedApp>),
    /// Nothing, because no app is released at all.
    Nothing,
    /// Nothing, for a reason that people should see: it completes "nothing is released to dev: …".
    Withheld(String),
}

/// What a build's release to an environment holds.
///
/// 1. Every app that is released must have been pushed by the build, or left out by a condition.
/// 2. An app that was left out comes as [`kept::apps`] says.
/// 3. A build that left out all of them brings only what an earlier build pushed that did not get here.
pub(super) async fn of_build(
    tx: &mut Tx,
    environment: &Environment,
    build: &Build,
    artifacts: &[Artifact],
    plan: &ReleasePlan,
) -> Result<Content, StoreError> {
    if plan.apps.is_empty() {
        return Ok(Content::Nothing);
    }
    let pushed = |app: &String| artifacts.iter().any(|artifact| artifact.app == *app);
    let unpushed: Vec<&str> =
        plan.apps.keys().filter(|app| !pushed(app) && !plan.left_out.contains_key(*app)).map(String::as_str).collect();
    if !unpushed.is_empty() {
        let apps = unpushed.join(", ");
        return Ok(Content::Withheld(format!(
            "this build pushed no image of {apps}, see `push` and `tags` in captain.yml"
        )));
    }
    let base = coming(tx, environment).await?;
    let new = released_apps(build.number, artifacts, plan, &environment.name);
    let new = pinned(&mut tx.conn(), &build.repository_id, &environment.name, new).await?;
    let kept = kept::apps(tx, environment, build, plan, base.as_ref()).await?;
    let before = base.map(|base| base.content.0).unwrap_or_default();
    let is_there = |kept: &ReleasedApp| before.iter().any(|before| before.runs_like(kept));
    if new.is_empty() && kept.iter().all(is_there) {
        let reasons: Vec<String> = plan.left_out.iter().map(|(app, reason)| format!("{app} ({reason})")).collect();
        return Ok(Content::Withheld(format!(
            "this build left out every app that is released: {}",
            reasons.join(", ")
        )));
    }
    Ok(Content::Apps(with_kept(new, kept, &before)))
}

/// The artifacts of the apps that are released at all, each with how it runs in the environment.
fn released_apps(build: i64, artifacts: &[Artifact], plan: &ReleasePlan, environment: &str) -> Vec<ReleasedApp> {
    let released = artifacts.iter().filter(|artifact| plan.apps.contains_key(&artifact.app));
    released
        .map(|artifact| ReleasedApp {
            app: artifact.app.clone(),
            image: artifact.image.clone(),
            digest: artifact.digest.clone(),
            run: run_spec(plan, environment, &artifact.app),
            build: Some(build),
            secret_versions: BTreeMap::new(),
        })
        .collect()
}

/// What the environment will run, as far as is known now: its newest release that waits or rolls, or else what is live.
/// A release that waits is about to be superseded, and what it brings must not be lost by that.
async fn coming(tx: &mut Tx, environment: &Environment) -> Result<Option<Release>, StoreError> {
    match store::releases::unsettled(&mut tx.conn(), &environment.id).await?.pop() {
        Some(newest) => Ok(Some(newest)),
        None => store::releases::live(&mut tx.conn(), &environment.id).await,
    }
}

/// The new apps, with the kept ones in the places among them that they have in the release before, or at the end.
fn with_kept(new: Vec<ReleasedApp>, mut kept: Vec<ReleasedApp>, before: &[ReleasedApp]) -> Vec<ReleasedApp> {
    let mut apps = new;
    let mut place = 0;
    for earlier in before {
        if let Some(position) = apps.iter().position(|app| app.app == earlier.app) {
            place = position + 1;
        } else if let Some(position) = kept.iter().position(|app| app.app == earlier.app) {
            apps.insert(place, kept.remove(position));
            place += 1;
        }
    }
    apps.extend(kept);
    apps
}

/// How an app runs in an environment by the plan of the commit that made its image. Where that plan does not name the
/// environment, or the app has no `release` in it, it knows nothing of domains, replicas and secrets there: then it
/// is by the plan of the build that is released.
pub(super) fn own_run_spec(own: &ReleasePlan, released: &ReleasePlan, environment: &str, app: &str) -> RunSpec {
    let is_named = own.environments.iter().any(|candidate| candidate.name == environment);
    let plan = if is_named && own.apps.contains_key(app) { own } else { released };
    // All of a release runs on one kind of engine.
    RunSpec { target: target(released, environment), ..run_spec(plan, environment, app) }
}

/// How an app runs in an environment: its own settings, and the environment's over them.
fn run_spec(plan: &ReleasePlan, environment: &str, app: &str) -> RunSpec {
    let own = plan.apps.get(app);
    let environment = plan.environments.iter().find(|candidate| candidate.name == environment);
    let over = environment.and_then(|environment| environment.apps.iter().find(|(name, _)| name == app));
    let layers: Vec<&ReleaseSettings> = own.into_iter().chain(over.map(|(_, settings)| settings)).collect();
    RunSpec { target: environment.map(|it| it.target).unwrap_or_default(), ..RunSpec::resolve(&layers) }
}

/// What runs the containers of an environment, by this plan.
fn target(plan: &ReleasePlan, environment: &str) -> TargetKind {
    plan.environments.iter().find(|candidate| candidate.name == environment).map(|it| it.target).unwrap_or_default()
}

/// Whether two releases hold the same images, run in the same way, whichever builds pushed them.
pub(super) fn is_same(one: &[ReleasedApp], other: &[ReleasedApp]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.runs_like(other))
}

#[cfg(test)]
mod tests {
    use slipway_pipelines::config::{Environment, Source};

    use super::*;

    fn settings(replicas: Option<u32>, port: Option<u16>) -> ReleaseSettings {
        ReleaseSettings { replicas, port, ..ReleaseSettings::default() }
    }

    #[test]
    fn an_environment_lays_its_settings_over_the_app_s_own() {
        let plan = ReleasePlan {
            apps: BTreeMap::from([("web".to_owned(), settings(Some(2), Some(8080)))]),
            environments: vec![Environment {
                apps: vec![("web".to_owned(), settings(Some(10), None))],
                ..Environment::new("production", Source::Environment { environment: "dev".to_owned() })
            }],
            ..ReleasePlan::default()
        };
        let production = run_spec(&plan, "production", "web");
        assert_eq!((production.replicas, production.port), (10, Some(8080)));
        assert_eq!(run_spec(&plan, "dev", "web").replicas, 2, "an environment without settings of its own");
    }

    #[test]
    fn an_app_without_release_settings_is_not_released() {
        let artifact = |app: &str| Artifact {
            platform: None,
            app: app.to_owned(),
            image: format!("registry/{app}"),
            digest: "sha256:0".to_owned(),
            tags: vec![],
            size: 1,
            attached: BTreeMap::new(),
        };
        let plan = ReleasePlan {
            apps: BTreeMap::from([("web".to_owned(), ReleaseSettings::default())]),
            ..ReleasePlan::default()
        };
        let apps = released_apps(1, &[artifact("base"), artifact("web")], &plan, "dev");
        assert_eq!(apps.iter().map(|app| app.app.as_str()).collect::<Vec<_>>(), ["web"]);
    }
}
