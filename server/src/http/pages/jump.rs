//! `/jump`: the way to any page by a few letters of its name.

use axum::extract::State;
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Rights, Section},
    links,
    pages::{Goal, JumpPage},
};

use super::{Html, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes, seen_by},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    store::jump::{self, Place},
};

/// How many repositories are looked through.
const REPOSITORIES: i64 = 5_000;
/// How many goals are offered.
const OFFERED: usize = 30;
/// How many characters of a question are read.
const LONGEST: usize = 200;

/// The page that everybody has.
const HOME: (&str, &str) = ("Repositories", "/");

/// The pages that belong to no repository.
const PAGES: [(&str, &str); 5] =
    [HOME, ("Services", "/services"), ("Alerts", "/alerts"), ("Deliveries", "/deliveries"), ("Runners", "/runners")];

/// Those that are for administrators alone.
const SETTINGS: [(&str, &str); 8] = [
    ("Settings", "/settings"),
    ("Settings: secrets", "/settings/secrets"),
    ("Settings: registries", "/settings/registries"),
    ("Settings: GitHub", "/settings/github"),
    ("Settings: users", "/settings/users"),
    ("Settings: tokens", "/settings/tokens"),
    ("Settings: schedules", "/settings/schedules"),
    ("Settings: audit log", "/settings/audit"),
];

pub(super) fn routes() -> Routes {
    Routes::new().get("/jump", Permission::Read, show)
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    q: String,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<JumpPage>, Problem> {
    let asked: String = wanted.q.chars().take(LONGEST).collect();
    let places = {
        let mut reader = state.store.read().await?;
        let seen = seen_by(&principal, &mut reader.conn()).await?;
        jump::places(&mut reader.conn(), &seen, REPOSITORIES).await?
    };
    let viewer = viewer(&principal);
    Ok(Html::ok(JumpPage {
        goals: goals(&asked, &places, viewer.server()),
        frame: Frame::new("Jump to", Section::Elsewhere, viewer),
        asked,
    }))
}

/// The goals whose names hold every word that was asked for, those first that begin with one, and of these the shortest.
/// A number leads to that build of the repositories that the other words name.
fn goals(asked: &str, places: &[Place], server: Rights) -> Vec<Goal> {
    let (numbers, words): (Vec<String>, Vec<String>) = asked
        .split([' ', '/'])
        .map(|word| word.trim_start_matches('#').to_lowercase())
        .filter(|word| !word.is_empty())
        .partition(|word| word.chars().all(|character| character.is_ascii_digit()));
    let mut found: Vec<(usize, Goal)> = Vec::new();
    let mut offer = |name: &str, what: &str, address: String| {
        if let Some(rank) = rank(&words, name) {
            found.push((rank, Goal { name: name.to_owned(), what: what.to_owned(), address }));
        }
    };
    if let Some(number) = numbers.first().and_then(|number| number.parse::<i64>().ok()) {
        for repository in repositories(places) {
            let name = format!("{repository} #{number}");
            offer(&name, "build", links::build(repository, number));
        }
    } else {
        let settings = if server >= Rights::Administer { SETTINGS.as_slice() } else { &[] };
        let pages = if server >= Rights::Read { PAGES.as_slice() } else { &[HOME] };
        for (name, address) in pages.iter().chain(settings) {
            offer(name, "page", (*address).to_owned());
        }
        for repository in repositories(places) {
            offer(repository, "repository", links::repository(repository));
        }
        for Place { repository, environment } in places {
            if let Some(environment) = environment {
                let name = format!("{repository} {environment}");
                offer(&name, "environment", links::environment(repository, environment));
            }
        }
    }
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, goal)| goal).take(OFFERED).collect()
}

/// Each repository once.
fn repositories(places: &[Place]) -> impl Iterator<Item = &str> {
    places
        .chunk_by(|one, next| one.repository == next.repository)
        .filter_map(|same| Some(same.first()?.repository.as_str()))
}

/// How far down a name stands among what was asked for; none where it lacks a word.
fn rank(words: &[String], name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    if !words.iter().all(|word| lower.contains(word.as_str())) {
        return None;
    }
    let begins = |word: &String| lower.split([' ', '/', '-', '_', '.']).any(|part| part.starts_with(word.as_str()));
    let inside = words.iter().filter(|word| !begins(word)).count();
    Some(inside * 1_000 + lower.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &str) -> Vec<String> {
        let place = |repository: &str, environment: Option<&str>| Place {
            repository: repository.to_owned(),
            environment: environment.map(str::to_owned),
        };
        let places = [
            place("acme/shop", Some("dev")),
            place("acme/shop", Some("production")),
            place("acme/workshop", None),
            place("zeta/mailer", Some("production")),
        ];
        goals(asked, &places, Rights::Read).into_iter().map(|goal| format!("{} {}", goal.what, goal.name)).collect()
    }

    #[test]
    fn a_few_letters_lead_there() {
        assert_eq!(
            names("shop"),
            [
                "repository acme/shop",
                "environment acme/shop dev",
                "environment acme/shop production",
                "repository acme/workshop",
            ]
        );
        assert_eq!(names("prod SHOP"), ["environment acme/shop production"]);
        assert_eq!(names("acme/shop #12"), ["build acme/shop #12", "build acme/workshop #12"]);
        assert_eq!(names("run"), ["page Runners"]);
        assert!(names("nothing of this").is_empty());
        assert_eq!(names("shop 99999999999999999999"), names("shop"), "no build has such a number");
        assert_eq!(names("").len(), 5 + 3 + 3);
    }
}
