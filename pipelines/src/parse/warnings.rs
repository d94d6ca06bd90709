//! What is legal and surely not meant, as far as the file alone tells.

use crate::{
    conditions::Patterns,
    config::{App, Config, Environment, Event, PushRule, Source, TagRule, When},
    diagnostics::{Place, Problem, Report, WHOLE},
    document::{Entry, Value},
    reference, variables,
};

/// Looks through a whole configuration.
pub(super) fn find(config: &Config, entries: &[Entry], report: &mut Report<'_>) {
    for app in &config.apps {
        of_app(app, config, entries, report);
    }
    for environment in &config.environments {
        let mut at = Finder { name: &environment.name, entries, report };
        of_environment(environment, config, &mut at);
    }
}

fn of_app(app: &App, config: &Config, entries: &[Entry], report: &mut Report<'_>) {
    let name = app.name.as_str();
    let mut warn = |key: &str, anchor, message: &str, expected: &str| {
        let problem = Problem::new(message).expected(expected).see(anchor);
        report.warn(place(entries, &[name, key]), problem);
    };
    if !app.services.is_empty() && app.pre.is_empty() && app.test.is_empty() {
        let message = format!("no step uses the services of \"{name}\": they run beside \"pre\" and \"test\"");
        warn("services", reference::SERVICE.anchor, &message, "a step under \"pre\" or \"test\", or no services");
    }
    if app.release.is_some() && config.environments.is_empty() {
        let message = format!("\"{name}\" has \"release\", but the file has no environments to release to");
        warn("release", reference::RELEASE.anchor, &message, "\"environments\", such as {dev: {from: {branch: main}}}");
    }
    if app.release.is_some() && app.push == PushRule::Never {
        let message = format!("\"{name}\" has \"release\", but is never pushed: no environment can get its image");
        warn("push", reference::PUSH.anchor, &message, "\"push: true\"");
    }
    if app.commit_length.is_some() && !app.tags.contains(&TagRule::Commit) {
        let message = "\"commit_length\" changes nothing: \"tags\" does not name commit";
        warn("commit_length", "tags", message, "commit among the tags");
    }
    if app.latest.is_some() && !app.tags.contains(&TagRule::Latest) {
        warn("latest", "tags", "\"latest\" changes nothing: \"tags\" does not name latest", "latest among the tags");
    }
}

fn of_environment(environment: &Environment, config: &Config, at: &mut Finder<'_, '_, '_>) {
    let released: Vec<&App> = config.apps.iter().filter(|app| app.release.is_some()).collect();
    if released.is_empty() {
        let message = format!("nothing is released to \"{}\": no app has \"release\"", environment.name);
        at.warn("", reference::RELEASE.anchor, message, "\"release\" at an app, such as \"release: {port: 8080}\"");
        return;
    }
    if let Source::Branch { branch } = &environment.from {
        if !released.iter().any(|app| reaches(app, branch)) {
            let message = format!(
                "nobody reaches \"{}\": no app that is released is pushed from the branch {branch}",
                environment.name
            );
            at.warn(
                "from",
                reference::ENVIRONMENT.anchor,
                message,
                "a branch that \"push\", \"when\" and \"tags\" of an app let through",
            );
        }
        if environment.auto {
            let message = "\"auto\" changes nothing: every successful build of the branch is released";
            at.warn(
                "auto",
                reference::ENVIRONMENT.anchor,
                message,
                "\"auto\" where releases come from another environment",
            );
        }
        if environment.bake_ms > 0 {
            let message = "\"bake\" changes nothing: a build of the branch has been live nowhere before";
            at.warn(
                "bake",
                reference::ENVIRONMENT.anchor,
                message,
                "\"bake\" where releases come from another environment",
            );
        }
    }
    shared_domains(environment, config, at);
    if environment.approvals.author && environment.approvals.count == 0 {
        at.warn(
            "approvals",
            reference::APPROVALS.anchor,
            "\"author\" changes nothing: nobody has to agree",
            "a \"count\" above 0",
        );
    }
}

/// Warns of a domain that an app has in an earlier environment, too: a proxy that serves both leads it to the first that asks
/// for it, and refuses the release of the other.
fn shared_domains(environment: &Environment, config: &Config, at: &mut Finder<'_, '_, '_>) {
    let earlier = config.environments.iter().take_while(|other| other.name != environment.name);
    for other in earlier {
        for app in config.apps.iter().filter(|app| app.release.is_some()) {
            let Some(domain) = domain(app, environment) else { continue };
            let Some(first) = config.apps.iter().find(|first| is_same(self::domain(first, other), domain)) else {
                continue;
            };
            let message = format!(
                "\"{}\" has the domain \"{domain}\" here, as \"{}\" has it in \"{}\": where one proxy serves both, \
                 whoever comes second is not released",
                app.name, first.name, other.name
            );
            let expected = format!(
                "a domain of its own, such as apps: {{{}: {{domain: {}.{domain}}}}}",
                app.name, environment.name
            );
            at.warn("", reference::ENVIRONMENT.anchor, message, &expected);
        }
    }
}

/// Where an app is reached in an environment.
fn domain<'c>(app: &'c App, environment: &'c Environment) -> Option<&'c str> {
    let own = app.release.as_ref()?.domain.as_deref();
    let over = environment.apps.iter().find(|(name, _)| *name == app.name);
    over.and_then(|(_, over)| over.domain.as_deref()).or(own)
}

fn is_same(taken: Option<&str>, domain: &str) -> bool {
    taken.is_some_and(|taken| taken.eq_ignore_ascii_case(domain))
}

/// Whether a build of the branch pushes the app's image.
fn reaches(app: &App, branch: &str) -> bool {
    let matches = |patterns: &[String]| Patterns::new(patterns).is_ok_and(|patterns| patterns.matches(branch));
    let pushed = match &app.push {
        PushRule::Always => true,
        PushRule::Never => false,
        PushRule::Matching { branches, .. } => matches(branches),
    };
    pushed && takes_part(&app.when, matches) && app.tags.iter().any(has_tag)
}

/// Whether a build of a branch that is no pull request meets the conditions on branches, tags and events.
fn takes_part(when: &When, matches: impl Fn(&[String]) -> bool) -> bool {
    let mut events = [Event::Push, Event::Schedule, Event::Manual].iter();
    let is_named = events.any(|event| when.event.contains(event));
    let is_branch = if when.branch.is_empty() { when.tag.is_empty() || is_named } else { matches(&when.branch) };
    is_branch && (when.event.is_empty() || is_named)
}

/// Whether the rule may give a tag for a branch.
fn has_tag(rule: &TagRule) -> bool {
    match rule {
        TagRule::Branch | TagRule::Commit | TagRule::Latest => true,
        TagRule::Semver => false,
        TagRule::Text(text) => !variables::uses(text, "SLIPWAY_TAG"),
    }
}

/// Warns of the keys of one environment.
struct Finder<'n, 'r, 'a> {
    name: &'n str,
    entries: &'n [Entry],
    report: &'r mut Report<'a>,
}

impl Finder<'_, '_, '_> {
    /// Warns of a key, or of the whole environment where it is empty.
    fn warn(&mut self, key: &str, anchor: &'static str, message: impl Into<String>, expected: &str) {
        let problem = Problem::new(message).see(anchor);
        let problem = if expected.is_empty() { problem } else { problem.expected(expected) };
        let path: &[&str] =
            if key.is_empty() { &["environments", self.name] } else { &["environments", self.name, key] };
        self.report.warn(place(self.entries, path), problem);
    }
}

/// Where the key at the end of a way through maps stands; as far as the way goes.
fn place(entries: &[Entry], path: &[&str]) -> Place {
    let mut entries = entries;
    let mut place = WHOLE;
    for key in path {
        let Some(entry) = entries.iter().find(|entry| entry.key == *key) else { break };
        place = entry.place;
        entries = match &entry.value.value {
            Value::Map(inner) => inner,
            _ => &[],
        };
    }
    place
}
