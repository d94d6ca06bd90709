//! What environments ask for, what was decided of their releases, and the forms by which people decide.

use axum::{extract::State, response::Redirect};
use chrono::{DateTime, NaiveDateTime};
use serde::Deserialize;
use serde_json::Value;
use slipway_pipelines::config::{Limits, Source, Window};
use slipway_web::{
    links,
    pages::{DecisionRow, Freeze},
    time::When,
};

use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    environments::Protection,
    http::{
        api::{
            decisions::{self as api, Answer},
            lookup::ReleasePath,
        },
        errors::Problem,
        extract::{Filled, Named},
    },
    releases::DecisionKind,
    store::{decisions::Decision, environments::Environment, repositories::Repository},
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post(
            "/repositories/{owner}/{name}/environments/{environment}/releases/{number}/approve",
            Permission::Deploy,
            approve,
        )
        .post(
            "/repositories/{owner}/{name}/environments/{environment}/releases/{number}/reject",
            Permission::Deploy,
            reject,
        )
        .post("/repositories/{owner}/{name}/environments/{environment}/freeze", Permission::Deploy, freeze)
        .post("/repositories/{owner}/{name}/environments/{environment}/unfreeze", Permission::Deploy, unfreeze)
}

/// What a form about a release says.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    pub(super) reason: String,
}

/// What the form of a freeze says.
#[derive(Debug, Deserialize)]
struct Frozen {
    reason: String,
    /// As browsers send it, in UTC; empty for no end.
    #[serde(default)]
    until: String,
}

async fn approve(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Filled(said): Filled<Said>,
) -> Result<Redirect, Problem> {
    api::answer(&state, &principal, &release, Answer::Approve, Some(&said.reason)).await?;
    Ok(Redirect::to(&release.page()))
}

async fn reject(
    State(state): State<AppState>,
    principal: Principal,
    Named(release): Named<ReleasePath>,
    Filled(said): Filled<Said>,
) -> Result<Redirect, Problem> {
    api::answer(&state, &principal, &release, Answer::Reject, Some(&said.reason)).await?;
    Ok(Redirect::to(&release.page()))
}

async fn freeze(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Filled(frozen): Filled<Frozen>,
) -> Result<Redirect, Problem> {
    let until = end(&frozen.until)?;
    api::freeze(&state, &principal, (&owner, &name, &environment), &frozen.reason, until).await?;
    Ok(Redirect::to(&links::environment(&format!("{owner}/{name}"), &environment)))
}

async fn unfreeze(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment)): Named<(String, String, String)>,
    Filled(said): Filled<Said>,
) -> Result<Redirect, Problem> {
    api::unfreeze(&state, &principal, (&owner, &name, &environment), Some(&said.reason)).await?;
    Ok(Redirect::to(&links::environment(&format!("{owner}/{name}"), &environment)))
}

fn end(text: &str) -> Result<Option<i64>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let time = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    match time {
        Some(time) => Ok(Some(time.and_utc().timestamp_millis())),
        None => Err(Problem::unprocessable("The end of the freeze is no time such as 2026-11-30T06:00.")),
    }
}

/// What the environment asks of its releases, each in a few words.
pub(super) fn asks(environment: &Environment) -> Vec<String> {
    let (settings, protection) = (&environment.settings.0, &environment.protection.0);
    let mut asks = Vec::new();
    asks.extend(approvals(settings.approvals.count.max(protection.approvals), protection));
    asks.extend(settings.window.as_ref().map(window_in_words));
    asks.extend(window(protection));
    if let Source::Environment { environment: source } = &environment.source.0 {
        let bake_ms = protection.bake_ms(settings.bake_ms);
        if bake_ms > 0 {
            asks.push(format!("live in {source} for {}{}", span(bake_ms), within(protection)));
        }
        if settings.auto {
            asks.push(format!("takes what is live in {source} by itself"));
        }
    }
    asks.extend(branches(protection));
    asks.extend(from(protection));
    asks.extend(strategy(protection));
    asks.extend(signed(protection));
    asks
}

fn signed(protection: &Protection) -> Option<String> {
    let signers: Vec<String> = protection.signed_by.iter().map(|signer| signer.0.in_words()).collect();
    (!signers.is_empty()).then(|| format!("images signed by {}", signers.join(" or ")))
}

fn approvals(count: u32, protection: &Protection) -> Option<String> {
    let people = match protection.approvers.as_slice() {
        [] => String::new(),
        people => format!(" of {}", people.join(", ")),
    };
    match count {
        0 => None,
        1 => Some(format!("1 approval{people}")),
        many => Some(format!("{many} approvals{people}")),
    }
}

fn branches(protection: &Protection) -> Option<String> {
    (!protection.branches.is_empty()).then(|| format!("builds of {}", protection.branches.join(", ")))
}

fn window(protection: &Protection) -> Option<String> {
    protection.window.as_ref().map(|window| window_in_words(&window.0))
}

/// The limits that the server has for what is live in a source.
fn within(protection: &Protection) -> String {
    let limits = protection.bake.as_ref().map(|bake| bake.0.limits).filter(|limits| *limits != Limits::default());
    limits.map_or_else(String::new, |limits| format!(" ({limits})"))
}

fn from(protection: &Protection) -> Option<String> {
    protection.from.as_ref().map(|from| format!("what comes from {}", from.0))
}

fn strategy(protection: &Protection) -> Option<String> {
    protection.strategy.as_ref().map(|strategy| format!("strategy {}", strategy.0))
}

/// What a protection that was noted asks for.
fn protection_in_words(noted: &Value) -> String {
    let Ok(protection) = serde_json::from_value::<Protection>(noted.clone()) else { return noted.to_string() };
    let author = (protection.approvals > 0 && protection.author).then(|| "the author may be among them".to_owned());
    let bake = protection.bake.as_ref();
    let bake = bake.map(|bake| format!("live in its source for {}{}", span(bake.0.ms), within(&protection)));
    let people = [approvals(protection.approvals, &protection), author];
    let others = [bake, window(&protection), branches(&protection), from(&protection), strategy(&protection)];
    let asks: Vec<String> = people.into_iter().chain(others).flatten().collect();
    if asks.is_empty() { "nothing".to_owned() } else { asks.join("; ") }
}

fn window_in_words(window: &Window) -> String {
    format!("window {window}")
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        seconds if seconds % 86_400 == 0 => format!("{} d", seconds / 86_400),
        seconds if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// That nothing is released to the environment, while that is so.
pub(super) fn freeze_of(environment: &Environment, now: i64) -> Option<Freeze> {
    let freeze = environment.frozen.as_ref().filter(|freeze| freeze.holds(now))?;
    let in_words =
        |until: i64| DateTime::from_timestamp_millis(until).unwrap_or_default().format("%-d %b %Y, %H:%M UTC");
    Some(Freeze {
        by: freeze.by.clone(),
        reason: freeze.reason.clone(),
        since: When { at: freeze.since, now },
        until: freeze.until.map(|until| in_words(until).to_string()),
    })
}

/// Decisions in a list.
pub(super) fn decision_rows(
    repository: &Repository,
    environment: &Environment,
    decisions: Vec<Decision>,
    now: i64,
) -> Vec<DecisionRow> {
    let row = |decision: Decision| DecisionRow {
        what: word(decision.kind).to_owned(),
        release: decision
            .release_number
            .map(|number| (number, links::release(&repository.name, &environment.name, number))),
        reason: match decision.kind {
            DecisionKind::Protected => Some(format!(
                "asks for {}, before for {}",
                protection_in_words(&decision.detail["after"]),
                protection_in_words(&decision.detail["before"])
            )),
            _ => decision.reason,
        },
        actor: decision.actor,
        when: When { at: decision.at, now },
    };
    decisions.into_iter().map(row).collect()
}

fn word(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Promoted => "Promoted",
        DecisionKind::RolledBack => "Rolled back",
        DecisionKind::Restored => "Made anew",
        DecisionKind::Held => "Held",
        DecisionKind::Approved => "Approved",
        DecisionKind::Rejected => "Rejected",
        DecisionKind::Admitted => "Admitted",
        DecisionKind::Refused => "Refused",
        DecisionKind::Breached => "Found wanting",
        DecisionKind::Paused => "Paused",
        DecisionKind::Resumed => "Resumed",
        DecisionKind::Cancelled => "Cancelled",
        DecisionKind::Frozen => "Frozen",
        DecisionKind::Unfrozen => "Unfrozen",
        DecisionKind::Protected => "Protected",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_protection_asks_for_is_told_in_words() {
        let noted = json!({"approvals": 2, "approvers": ["ana", "bo"], "author": true, "branches": ["main"]});
        let expected = "2 approvals of ana, bo; the author may be among them; builds of main";
        assert_eq!(protection_in_words(&noted), expected);
        assert_eq!(protection_in_words(&json!({})), "nothing");
    }

    #[test]
    fn a_window_and_an_end_are_read_as_people_write_them() {
        let window = Window {
            days: [true, true, true, true, true, false, false],
            from_minute: 540,
            to_minute: 960,
            timezone: "Europe/Madrid".to_owned(),
        };
        assert_eq!(window_in_words(&window), "window Mon-Fri 09:00-16:00 Europe/Madrid");
        assert_eq!(end("").unwrap(), None);
        assert_eq!(end("2026-09-21T14:13").unwrap(), Some(1_789_999_980_000));
        assert!(end("tomorrow").is_err());
        assert_eq!([span(1_000), span(300_000), span(7_200_000)], ["1 s", "5 min", "2 h"]);
    }
}
