//! The gate of an environment: what must hold before a release may begin. Facts in, a verdict out, nothing else.

mod window;

use chrono::DateTime;
use slipway_pipelines::{
    conditions::Patterns,
    config::{Source, Strategy},
};
use window::{Hours, hours};

use crate::environments::{Freeze, Protection, Settings, same_person};

/// What an environment asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) environment: &'a str,
    /// As captain.yml has it.
    pub(super) settings: &'a Settings,
    /// As an administrator has it.
    pub(super) protection: &'a Protection,
    pub(super) freeze: Option<&'a Freeze>,
}

/// What is known of a release that wants to enter.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// What the builds of all that it holds are of: a branch, or none for a tag.
    pub(super) branches: Vec<Option<String>>,
    /// Where it comes from: the branch of its build, or the environment that it was live in; none where that is not known.
    pub(super) from: Option<Source>,
    /// Who agreed.
    pub(super) approving: Vec<String>,
    /// Who wrote a commit that it brings, and who asked for it.
    pub(super) authors: Vec<String>,
    /// How it takes the place of the one before; none for a way out, which is no time for a trial.
    pub(super) strategy: Option<Strategy>,
    /// How long it was live where it is promoted from.
    pub(super) stay: Option<Stay>,
}

/// The time that a release was live in an environment, in unix milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Stay {
    pub(super) environment: String,
    pub(super) number: i64,
    pub(super) since: i64,
    /// None while it is.
    pub(super) until: Option<i64>,
    /// What was found wanting of it meanwhile.
    pub(super) breach: Option<String>,
    /// Why nobody can say that it is well there now; none where its runner says so.
    pub(super) doubt: Option<String>,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may begin.
    Admit,
    /// It may not begin yet.
    Wait {
        /// What it waits for, all of it.
        why: String,
        /// When time alone may change that, in unix milliseconds.
        until: Option<i64>,
    },
    /// It never may.
    Refuse {
        /// Why not.
        why: String,
    },
}

/// One thing that is waited for.
struct Wait {
    why: String,
    until: Option<i64>,
}

/// Judges a release at `now` (unix milliseconds).
///
/// 1. A source, a branch or a strategy that is not let in, what was found wanting in the source, and a time there that
///    can no longer be reached refuse it.
/// 2. It waits for its time in the source and for word that it is well there, for people, for the end of a freeze and for the window: all at once, as none
///    of them depends on another.
pub(super) fn gate(rules: Rules<'_>, facts: &Facts, now: i64) -> Verdict {
    let unfit = || found_wanting(rules, facts).or_else(|| never_baked(rules, facts, now));
    let foreign = foreign_source(rules, facts).or_else(|| foreign_branch(rules, facts));
    if let Some(why) = foreign.or_else(|| other_strategy(rules, facts)).or_else(unfit) {
        return Verdict::Refuse { why };
    }
    let waits = [
        bake(rules, facts, now),
        doubted(rules, facts),
        approvals(rules, facts),
        frozen(rules, now),
        closed(rules, now),
    ];
    let waits: Vec<Wait> = waits.into_iter().flatten().collect();
    if waits.is_empty() {
        return Verdict::Admit;
    }
    let why: Vec<&str> = waits.iter().map(|wait| wait.why.as_str()).collect();
    Verdict::Wait { why: why.join("; "), until: waits.iter().filter_map(|wait| wait.until).min() }
}

/// Why the release does not come from where the server wants every release to come from.
fn foreign_source(rules: Rules<'_>, facts: &Facts) -> Option<String> {
    let wanted = &rules.protection.from.as_ref()?.0;
    if facts.from.as_ref() == Some(wanted) {
        return None;
    }
    let from = facts.from.as_ref().map_or_else(|| "elsewhere".to_owned(), Source::to_string);
    Some(format!("{} takes its releases from {wanted} alone, and this comes from {from}", rules.environment))
}

fn foreign_branch(rules: Rules<'_>, facts: &Facts) -> Option<String> {
    let Rules { environment, protection, .. } = rules;
    if protection.branches.is_empty() {
        return None;
    }
    // What cannot be read lets nothing in.
    let patterns = Patterns::new(&protection.branches).ok();
    let lets_in = |branch: &str| patterns.as_ref().is_some_and(|patterns| patterns.matches(branch));
    let foreign = facts.branches.iter().find(|branch| !branch.as_deref().is_some_and(lets_in))?;
    let from = foreign.as_ref().map_or_else(|| "no branch".to_owned(), |branch| format!("branch {branch}"));
    Some(format!("{environment} lets in builds of {} alone, and this is of {from}", protection.branches.join(", ")))
}

/// Why the release does not go live in the way that the server wants: it was made before the server asked for that.
fn other_strategy(rules: Rules<'_>, facts: &Facts) -> Option<String> {
    let (wanted, own) = (&rules.protection.strategy.as_ref()?.0, facts.strategy.as_ref()?);
    let environment = rules.environment;
    (own != wanted).then(|| format!("{environment} asks for the strategy {wanted}, and this was made for {own}"))
}

/// Why the release was not healthy in its source for as long as is asked.
fn found_wanting(rules: Rules<'_>, facts: &Facts) -> Option<String> {
    let stay = facts.stay.as_ref().filter(|_| bake_ms(rules) > 0)?;
    let breach = stay.breach.as_ref()?;
    Some(format!("{} #{} was found wanting there: {breach}", stay.environment, stay.number))
}

/// Why the release can no longer have been live in its source for as long as is asked.
fn never_baked(rules: Rules<'_>, facts: &Facts, now: i64) -> Option<String> {
    let stay = facts.stay.as_ref()?;
    let until = stay.until?.min(now);
    (until < baked_at(rules, stay)).then(|| {
        format!(
            "{} #{} was live there for {} only, and {} asks for {}",
            stay.environment,
            stay.number,
            span(until - stay.since),
            rules.environment,
            span(bake_ms(rules))
        )
    })
}

fn bake(rules: Rules<'_>, facts: &Facts, now: i64) -> Option<Wait> {
    let stay = facts.stay.as_ref().filter(|stay| stay.until.is_none())?;
    let baked = baked_at(rules, stay);
    (baked > now).then(|| Wait {
        why: format!(
            "{} #{} must have been live there for {}, until {}",
            stay.environment,
            stay.number,
            span(bake_ms(rules)),
            moment(baked)
        ),
        until: Some(baked),
    })
}

/// Time in the source counts for nothing while nobody says that the release is well there.
fn doubted(rules: Rules<'_>, facts: &Facts) -> Option<Wait> {
    let stay = facts.stay.as_ref().filter(|stay| stay.until.is_none() && bake_ms(rules) > 0)?;
    let doubt = stay.doubt.as_ref()?;
    Some(Wait { why: format!("{} #{} must be well there: {doubt}", stay.environment, stay.number), until: None })
}

fn baked_at(rules: Rules<'_>, stay: &Stay) -> i64 {
    stay.since.saturating_add(bake_ms(rules))
}

fn bake_ms(rules: Rules<'_>) -> i64 {
    i64::try_from(rules.protection.bake_ms(rules.settings.bake_ms)).unwrap_or(i64::MAX)
}

fn approvals(rules: Rules<'_>, facts: &Facts) -> Option<Wait> {
    let Rules { settings, protection, .. } = rules;
    let wanted = settings.approvals.count.max(protection.approvals);
    let counted: Vec<&str> = facts
        .approving
        .iter()
        .filter(|person| protection.lets_approve(person))
        .filter(|person| author_counts(rules) || !facts.authors.iter().any(|author| same_person(author, person)))
        .map(String::as_str)
        .collect();
    let missing = usize::try_from(wanted).unwrap_or(usize::MAX).saturating_sub(counted.len());
    if missing == 0 {
        return None;
    }
    let mut why = match missing {
        1 => "waiting for 1 more approval".to_owned(),
        many => format!("waiting for {many} more approvals"),
    };
    if !protection.approvers.is_empty() {
        why += &format!(" of {}", protection.approvers.join(", "));
    }
    if !counted.is_empty() {
        why += &format!(" (approved by {})", counted.join(", "));
    }
    Some(Wait { why, until: None })
}

/// Whether whoever wrote the commit or asked for the release may be one of those who agree: wherever people are asked
/// for, that must be said.
pub(super) fn author_counts(rules: Rules<'_>) -> bool {
    let Rules { settings, protection, .. } = rules;
    (settings.approvals.count == 0 || settings.approvals.author) && (protection.approvals == 0 || protection.author)
}

fn frozen(rules: Rules<'_>, now: i64) -> Option<Wait> {
    let freeze = rules.freeze.filter(|freeze| freeze.holds(now))?;
    let until = freeze.until.map_or_else(String::new, |until| format!(" until {}", moment(until)));
    Some(Wait {
        why: format!("{} is frozen by {}{until}: {}", rules.environment, freeze.by, freeze.reason),
        until: freeze.until,
    })
}

fn closed(rules: Rules<'_>, now: i64) -> Option<Wait> {
    let Rules { settings, protection, .. } = rules;
    // It must be open by both.
    let windows = settings.window.iter().chain(protection.window.iter().map(|window| &window.0));
    windows.into_iter().find_map(|window| match hours(window, now) {
        Hours::Open => None,
        Hours::OpensAt(at, words) => Some(Wait { why: format!("its window opens {words}"), until: Some(at) }),
        Hours::Unknown => Some(Wait { why: "the time zone of its window is not known".to_owned(), until: None }),
    })
}

/// A moment for people, to the second.
fn moment(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%-d %b %H:%M:%S UTC").to_string()
}

/// A span of time for people: its two largest units.
fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut left = seconds;
    let mut words = Vec::new();
    for (length, unit) in units {
        if left >= length {
            words.push(format!("{} {unit}", left / length));
            left %= length;
        }
    }
    words.truncate(2);
    if words.is_empty() { "0 s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests;
