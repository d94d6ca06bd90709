//! `/settings/audit`: who changed what.

use axum::extract::State;
use chrono::{Days, NaiveDate, NaiveTime};
use serde::Deserialize;
use serde_json::Value;
use slipway_web::{
    links,
    pages::{AuditPage, AuditRow, SettingsPlace},
    time::When,
};

use super::{Html, frame, head};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    ids::AuditId,
    store::audit::{self, AuditEntry, Which},
};

const PAGE: &str = "/settings/audit";
/// The entries on a page.
const ENTRIES: usize = 50;
/// The longest value of a particular that is shown, in characters.
const VALUE: usize = 300;

pub(super) fn routes() -> Routes {
    Routes::new().get(PAGE, Permission::Administer, show)
}

/// Which entries are asked for. A form sends its empty fields too.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    /// The last day, as `2026-11-22`.
    #[serde(default)]
    until: String,
    before: Option<AuditId>,
}

impl Wanted {
    /// The page with these entries, and others of them.
    fn address(&self, actor: &str, action: &str, before: Option<&AuditId>) -> String {
        let fields = [("actor", actor), ("action", action), ("until", self.until.as_str())];
        let fields = fields.into_iter().chain(before.map(|before| ("before", before.as_str())));
        let said: Vec<String> = fields
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", links::encode(value)))
            .collect();
        if said.is_empty() { PAGE.to_owned() } else { format!("{PAGE}?{}", said.join("&")) }
    }
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<AuditPage>, Problem> {
    let wanted = Wanted {
        actor: wanted.actor.trim().to_owned(),
        action: wanted.action.trim().to_owned(),
        until: wanted.until.trim().to_owned(),
        before: wanted.before,
    };
    let now = state.store.clock().now();
    let which = Which { actor: said(&wanted.actor), action: said(&wanted.action) };
    let before = match (&wanted.before, said(&wanted.until)) {
        (Some(before), _) => Some(before.clone()),
        (None, Some(day)) => Some(after_day(day)?),
        (None, None) => None,
    };
    let limit = i64::try_from(ENTRIES).unwrap_or(i64::MAX);
    let mut found = audit::list(&mut state.store.read().await?.conn(), which, before.as_ref(), limit + 1).await?;
    let more = found.len() > ENTRIES;
    found.truncate(ENTRIES);
    let last = if more { found.last() } else { None };
    Ok(Html::ok(AuditPage {
        frame: frame(SettingsPlace::Audit, &principal),
        head: head(SettingsPlace::Audit),
        older: last.map(|last| wanted.address(&wanted.actor, &wanted.action, Some(&last.id))),
        newest: wanted.before.as_ref().map(|_| wanted.address(&wanted.actor, &wanted.action, None)),
        entries: found.into_iter().map(|entry| row(entry, &wanted, now)).collect(),
        actor: wanted.actor,
        action: wanted.action,
        until: wanted.until,
    }))
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// The id before which everything up to the end of a day (UTC) was written: ids begin with their time.
fn after_day(day: &str) -> Result<AuditId, Problem> {
    let wrong = || Problem::bad_request("A day is written as 2026-11-22.");
    let day: NaiveDate = day.parse().map_err(|_| wrong())?;
    let next = day.checked_add_days(Days::new(1)).ok_or_else(wrong)?;
    let at = next.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
    Ok(AuditId::first_at(at))
}

fn row(entry: AuditEntry, wanted: &Wanted, now: i64) -> AuditRow {
    AuditRow {
        when: When { at: entry.at, now },
        by_actor: wanted.address(&entry.actor, &wanted.action, None),
        by_action: wanted.address(&wanted.actor, &entry.action, None),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        details: details(entry.detail.0),
    }
}

/// The particulars of a change that say something, each with its name.
fn details(detail: Value) -> Vec<(String, String)> {
    let Value::Object(fields) = detail else { return Vec::new() };
    let fields = fields.into_iter().map(|(name, value)| (name.replace('_', " "), written(&value)));
    fields.filter(|(_, value)| !value.is_empty()).collect()
}

fn written(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) if values.iter().all(|value| !value.is_object() && !value.is_array()) => {
            values.iter().map(written).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) if fields.is_empty() => String::new(),
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_day_is_shown_to_its_end() {
        let end = after_day("2026-11-22").unwrap();
        assert!(end > AuditId::first_at(1_795_391_999_999), "the last millisecond of the day");
        assert_eq!(end, AuditId::first_at(1_795_392_000_000));
        assert!(after_day("yesterday").is_err() && after_day("+262142-12-31").is_err());
    }

    #[test]
    fn particulars_are_read_by_people() {
        let detail =
            json!({"kind": "token", "app": null, "repositories": ["acme/*", "tools/ci"], "forget_earlier": false});
        let shown = details(detail);
        let shown: Vec<_> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(shown, [("forget earlier", "no"), ("kind", "token"), ("repositories", "acme/*, tools/ci")]);
        assert_eq!(written(&json!("é".repeat(1000))).chars().count(), VALUE + 1);
    }
}
