//! What Prometheus is told of releases, of what was put right, and of who was told.

use std::collections::BTreeMap;

use super::{exposition::Exposition, whole};
use crate::{
    ids::EnvironmentId,
    store::{Conn, StoreError, figures, figures::Newest, standing},
};

/// The time that is looked back over, in milliseconds.
const HOUR_MS: i64 = 60 * 60 * 1_000;
/// The most that is counted of what was put right in an environment.
const MOST_DRIFTS: i64 = 1_000;
/// The states of releases that are not settled.
const UNSETTLED: [&str; 3] = ["held", "queued", "rolling"];
/// How a rollout ends.
const OUTCOMES: [&str; 2] = ["live", "failed"];
/// How a notification ends.
const ENDS: [&str; 3] = ["sent", "failed", "dropped"];

/// How a report to a forge ends.
const REPORT_ENDS: [&str; 2] = ["sent", "failed"];

/// Releases, drift and freezes, by environment; notifications, and reports to forges.
pub(super) async fn releases(conn: &mut Conn<'_>, text: &mut Exposition, now: i64) -> Result<(), StoreError> {
    let mut environments = figures::environments(conn).await?;
    environments.sort_by(|one, other| labels(one).cmp(&labels(other)));
    text.family("slipway_release_live", "The number of the release that is live.");
    for place in standing::places(conn).await? {
        text.sample(&[("repository", &place.repository), ("environment", &place.environment)], whole(place.number));
    }
    unsettled(conn, text, &environments).await?;
    newest(text, &environments);
    text.family("slipway_environment_frozen", "Whether nothing is released to the environment.");
    for environment in &environments {
        let is_frozen = environment.frozen.as_ref().is_some_and(|freeze| freeze.0.holds(now));
        text.sample(&labels(environment), f64::from(u8::from(is_frozen)));
    }
    put_right(conn, text, &environments, now).await?;
    notifications(conn, text, now).await?;
    reports(conn, text, now).await
}

async fn unsettled(conn: &mut Conn<'_>, text: &mut Exposition, all: &[Newest]) -> Result<(), StoreError> {
    let counted = figures::unsettled(conn).await?;
    let counted: BTreeMap<(&EnvironmentId, &str), i64> =
        counted.iter().map(|(environment, state, count)| ((environment, state.as_str()), *count)).collect();
    text.family("slipway_releases_unsettled", "Releases that are held, wait for their rollout, or roll.");
    for environment in all {
        for state in UNSETTLED {
            let count = counted.get(&(&environment.id, state)).copied().unwrap_or(0);
            let [repository, name] = labels(environment);
            text.sample(&[repository, name, ("state", state)], whole(count));
        }
    }
    Ok(())
}

/// How the newest rollout of each environment ended, and how long it took.
fn newest(text: &mut Exposition, all: &[Newest]) {
    text.family(
        "slipway_rollout_last",
        "How the newest release of the environment ended: 1 for the state that it is in.",
    );
    for environment in all {
        let Some(state) = environment.state.as_deref().filter(|state| OUTCOMES.contains(state)) else { continue };
        let [repository, name] = labels(environment);
        for outcome in OUTCOMES {
            text.sample(&[repository, name, ("outcome", outcome)], f64::from(u8::from(state == outcome)));
        }
    }
    text.family("slipway_rollout_last_seconds", "How long the rollout of the newest release took.");
    for environment in all {
        let Some((started, finished)) = environment.started_at.zip(environment.finished_at) else { continue };
        text.sample(&labels(environment), whole(finished - started) / 1_000.0);
    }
}

async fn put_right(conn: &mut Conn<'_>, text: &mut Exposition, all: &[Newest], now: i64) -> Result<(), StoreError> {
    let mut counted = Vec::new();
    for environment in all {
        let told = standing::drifts(conn, &environment.id, None, MOST_DRIFTS).await?;
        let count = |kind: &str| told.iter().filter(|it| it.at > now - HOUR_MS && it.kind == kind).count();
        counted.push((environment, count("environment.drifted"), count("environment.healed")));
    }
    text.family("slipway_environment_drifts_last_hour", "What was found not to be as it should within an hour.");
    for (environment, drifted, _) in &counted {
        text.sample(&labels(environment), whole(i64::try_from(*drifted).unwrap_or(i64::MAX)));
    }
    text.family("slipway_environment_healed_last_hour", "What of it was put right within an hour.");
    for (environment, _, healed) in &counted {
        text.sample(&labels(environment), whole(i64::try_from(*healed).unwrap_or(i64::MAX)));
    }
    Ok(())
}

async fn notifications(conn: &mut Conn<'_>, text: &mut Exposition, now: i64) -> Result<(), StoreError> {
    let waiting = figures::waiting(conn).await?;
    text.family("slipway_notifications_waiting", "Notifications that wait to be sent.");
    text.sample(&[], whole(waiting.iter().map(|(_, count)| count).sum()));
    let ended = figures::ended(conn, now - HOUR_MS).await?;
    text.family("slipway_notifications_last_hour", "How the notifications ended that did within an hour.");
    for end in ENDS {
        let count = ended.iter().find(|(state, _)| state == end).map_or(0, |(_, count)| *count);
        text.sample(&[("outcome", end)], whole(count));
    }
    Ok(())
}

async fn reports(conn: &mut Conn<'_>, text: &mut Exposition, now: i64) -> Result<(), StoreError> {
    let waiting = figures::reports_waiting(conn).await?;
    text.family("slipway_forge_reports_waiting", "What forges are to be shown and wait for.");
    text.sample(&[], whole(waiting.iter().map(|(_, count)| count).sum()));
    let ended = figures::reports_ended(conn, now - HOUR_MS).await?;
    text.family("slipway_forge_reports_last_hour", "How the reports to forges ended that did within an hour.");
    for end in REPORT_ENDS {
        let count = ended.iter().find(|(state, _)| state == end).map_or(0, |(_, count)| *count);
        text.sample(&[("outcome", end)], whole(count));
    }
    Ok(())
}

fn labels(environment: &Newest) -> [(&'static str, &str); 2] {
    [("repository", &environment.repository), ("environment", &environment.environment)]
}
