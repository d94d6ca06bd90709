//! What a merge would release: known of a pull request's build that went well, before anybody merges.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use slipway_pipelines::{config::Source, plan::ReleasePlan};
use slipway_web::time::duration;

use crate::{
    builds::BuildState,
    environments::{Protection, Settings},
    store::{
        Conn, StoreError, artifacts,
        builds::{self, Build},
        environments, pull_requests,
        releases::{self, Release},
        repositories::Repository,
    },
};

/// A release that would follow a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Proposed {
    /// The environment.
    pub environment: String,
    /// The environment that it would be promoted from by itself; none where it takes the branch.
    pub after: Option<String>,
    /// The apps, by name.
    pub apps: Vec<ProposedApp>,
    /// What the environment asks for first.
    pub asks: Vec<String>,
}

/// An app of a release that would follow a merge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProposedApp {
    /// The app.
    pub app: String,
    /// Whether its image is made of something else than what is live there; none where that cannot be told.
    pub changes: Option<bool>,
}

/// An environment as it would be after the merge.
struct Place {
    name: String,
    source: Source,
    settings: Settings,
    protection: Protection,
    live: Option<Release>,
}

impl Proposed {
    /// Its apps in words, such as `web changes, api stays`.
    #[must_use]
    pub fn apps_in_words(&self) -> String {
        let word = |app: &ProposedApp| match app.changes {
            Some(true) => format!("{} changes", app.app),
            Some(false) => format!("{} stays", app.app),
            None => format!("{} perhaps changes", app.app),
        };
        self.apps.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    /// Releases that would follow one merge in a line, such as `dev: web changes; then staging by itself after 1 approval`.
    #[must_use]
    pub fn in_a_line(all: &[Proposed]) -> String {
        if all.is_empty() {
            return "a merge releases nothing".to_owned();
        }
        let one = |proposed: &Proposed| {
            let what = match &proposed.after {
                None => format!("{}: {}", proposed.environment, proposed.apps_in_words()),
                Some(_) => format!("then {} by itself", proposed.environment),
            };
            if proposed.asks.is_empty() { what } else { format!("{what} after {}", proposed.asks.join(", ")) }
        };
        all.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// What merging a pull request would release, by the build of its merge; none where the build is of none, or did not go
/// well (yet).
///
/// # Errors
/// When the database fails.
pub async fn proposed_by(
    conn: &mut Conn<'_>,
    repository: &Repository,
    build: &Build,
) -> Result<Option<Vec<Proposed>>, StoreError> {
    if build.state != BuildState::Succeeded {
        return Ok(None);
    }
    let Some(pull) = pull_requests::of_build(conn, &build.id).await? else { return Ok(None) };
    let Some(plan) = builds::release_plan(conn, &build.id).await? else { return Ok(None) };
    if plan.apps.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let places = places(conn, repository, &pull.base, &plan).await?;
    let keys = artifacts::keys(conn, &build.id).await?;
    let takes_it = |place: &&Place| matches!(&place.source, Source::Branch { branch } if *branch == pull.base);
    let mut reached: Vec<(&Place, Option<&str>)> = places.iter().filter(takes_it).map(|place| (place, None)).collect();
    let mut next = 0;
    while let Some((place, _)) = reached.get(next).copied() {
        next += 1;
        for follower in &places {
            let follows = follower.settings.auto
                && matches!(&follower.source, Source::Environment { environment } if *environment == place.name);
            if follows && reached.iter().all(|(known, _)| known.name != follower.name) {
                reached.push((follower, Some(&place.name)));
            }
        }
    }
    let mut proposed = Vec::new();
    for (place, after) in reached {
        proposed.push(Proposed {
            environment: place.name.clone(),
            after: after.map(str::to_owned),
            apps: apps(conn, repository, place, &plan, &keys).await?,
            asks: asks(place),
        });
    }
    Ok(Some(proposed))
}

/// The environments as they would be: a merge to the default branch brings its own captain.yml.
async fn places(
    conn: &mut Conn<'_>,
    repository: &Repository,
    base: &str,
    plan: &ReleasePlan,
) -> Result<Vec<Place>, StoreError> {
    let mut places = Vec::new();
    let known = environments::of_repository(conn, &repository.id).await?;
    if base == repository.default_branch {
        for planned in &plan.environments {
            let known = known.iter().find(|known| known.name == planned.name);
            places.push(Place {
                name: planned.name.clone(),
                source: known
                    .and_then(|known| known.protection.from.as_ref())
                    .map_or_else(|| planned.from.clone(), |from| from.0.clone()),
                settings: planned.into(),
                protection: known.map(|known| known.protection.0.clone()).unwrap_or_default(),
                live: match known {
                    Some(known) => releases::live(conn, &known.id).await?,
                    None => None,
                },
            });
        }
        return Ok(places);
    }
    for known in known.into_iter().filter(|known| known.removed_at.is_none()) {
        places.push(Place {
            live: releases::live(conn, &known.id).await?,
            name: known.name,
            source: known.source.0,
            settings: known.settings.0,
            protection: known.protection.0,
        });
    }
    Ok(places)
}

/// The apps that are released, each compared with what is live by the key over what its image is made of.
async fn apps(
    conn: &mut Conn<'_>,
    repository: &Repository,
    place: &Place,
    plan: &ReleasePlan,
    keys: &BTreeMap<String, String>,
) -> Result<Vec<ProposedApp>, StoreError> {
    let mut apps = Vec::new();
    for app in plan.apps.keys() {
        let live = place.live.as_ref().and_then(|live| live.content.iter().find(|live| live.app == *app));
        let changes = match live {
            _ if plan.left_out.contains_key(app) => Some(false),
            None => Some(true),
            Some(live) => {
                let before = match live.build {
                    Some(number) => builds::by_number(conn, &repository.id, number).await?,
                    None => None,
                };
                let before = match before {
                    Some(before) => artifacts::keys(conn, &before.id).await?.remove(app),
                    None => None,
                };
                before.zip(keys.get(app)).map(|(before, after)| before != *after)
            }
        };
        apps.push(ProposedApp { app: app.clone(), changes });
    }
    Ok(apps)
}

/// What an environment asks for before it lets the release in.
fn asks(place: &Place) -> Vec<String> {
    let approvals = match place.settings.approvals.count.max(place.protection.approvals) {
        0 => None,
        1 => Some("1 approval".to_owned()),
        many => Some(format!("{many} approvals")),
    };
    let bake_ms = place.protection.bake_ms(place.settings.bake_ms);
    let bake = match &place.source {
        Source::Environment { environment } if bake_ms > 0 => {
            Some(format!("{} in {environment}", duration(i64::try_from(bake_ms).unwrap_or(i64::MAX))))
        }
        _ => None,
    };
    let window = place.settings.window.is_some() || place.protection.window.is_some();
    approvals.into_iter().chain(bake).chain(window.then(|| "its window opens".to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_is_told_in_a_line() {
        let app = |app: &str, changes| ProposedApp { app: app.to_owned(), changes };
        let dev = Proposed {
            environment: "dev".to_owned(),
            after: None,
            apps: vec![app("api", Some(false)), app("web", Some(true)), app("docs", None)],
            asks: Vec::new(),
        };
        let staging = Proposed {
            environment: "staging".to_owned(),
            after: Some("dev".to_owned()),
            asks: vec!["1 approval".to_owned(), "5:00 min in dev".to_owned()],
            ..dev.clone()
        };
        assert_eq!(
            Proposed::in_a_line(&[dev, staging]),
            "dev: api stays, web changes, docs perhaps changes; then staging by itself after 1 approval, 5:00 min in dev"
        );
        assert_eq!(Proposed::in_a_line(&[]), "a merge releases nothing");
    }
}
