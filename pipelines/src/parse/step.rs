//! The steps of an app, in their three forms: a plain command, a `docker run` line, a map.

use super::{
    fields::{
        boolean, check_apart, field, fields, is_host_label, pairs, positive_duration, secrets, shown, text, texts,
    },
    matrix, templates, when,
};
use crate::{
    config::{Command, Event, Step},
    diagnostics::{Place, Problem, Report},
    docker_run::{self, Surroundings, mounts},
    document::{Entry, Node, Value},
    paths, reference,
};

/// The longest command, in bytes.
const MAX_COMMAND: usize = 64 * 1024;
/// The longest name, in characters.
const MAX_NAME: usize = 200;
/// The most steps of one list.
const MAX_STEPS: usize = 2_000;
/// The most folders that one step keeps.
const MAX_CACHES: usize = 20;

/// What stands around the steps of an app.
pub(super) struct Around<'a> {
    /// The app's name.
    pub(super) own: &'a str,
    /// The variables that templates may use.
    pub(super) declared: &'a [&'a str],
    /// The names of the app's variables and secrets.
    pub(super) environment: &'a [&'a str],
    /// The names of all apps, with whether each has a matrix.
    pub(super) apps: &'a [(&'a str, bool)],
}

/// Reads `pre`, `post` or `test`.
pub(super) fn read_all(entry: &Entry, around: &Around<'_>, report: &mut Report<'_>) -> Vec<Step> {
    report.within(reference::STEP.anchor, |report| {
        let single = std::slice::from_ref(&entry.value);
        let nodes = match &entry.value.value {
            Value::Null => &[],
            Value::List(items) => items.as_slice(),
            Value::Scalar(_) | Value::Map(_) => single,
        };
        if nodes.len() > MAX_STEPS {
            let message = format!("\"{}\" has {} steps; the limit is {MAX_STEPS}", entry.key, nodes.len());
            report.add(entry.place, Problem::new(message));
            return Vec::new();
        }
        let may_start = entry.key == "test";
        let mut steps = Vec::new();
        for node in nodes {
            if report.is_full() {
                break;
            }
            steps.extend(read(node, around, may_start, report));
        }
        steps
    })
}

fn read(node: &Node, around: &Around<'_>, may_start: bool, report: &mut Report<'_>) -> Option<Step> {
    let Value::Map(entries) = &node.value else {
        let line = text(node, "a command, or a step as a map", report)?;
        return plain(line, node.place, around.surroundings(), report);
    };
    if let Some(entry) = quoteless(entries) {
        let problem = Problem::new("a command with \": \" in it is read as a map");
        report.add(entry.place, problem.expected("the command in quotes"));
        return None;
    }
    let fields = fields(node, &reference::STEP, report)?;
    let matrix = field(&fields, "matrix").map(|field| matrix::read(&field.value, report)).unwrap_or_default();
    let mut declared = around.declared.to_vec();
    declared.extend(matrix.iter().map(|(name, _)| name.as_str()));
    let own = Own::of(&fields, &declared, report);
    let mut environment = around.environment.to_vec();
    environment.extend(own.env.iter().map(|(name, _)| name.as_str()).chain(own.secrets.iter().map(String::as_str)));
    let surroundings = Surroundings { variables: &declared, environment: &environment };
    let command = command(&fields, node.place, surroundings, report);
    let is_whole = command.is_some();
    // What is wrong with the rest is said as well.
    let mut step = command.unwrap_or_else(|| Step::of(Command::Image { image: String::new() }));
    step.env.clone_from(&own.env);
    step.secrets.clone_from(&own.secrets);
    step.matrix.clone_from(&matrix);
    for field in fields {
        let node = &field.value;
        match field.key.as_str() {
            "name" => step.name = name(node, report),
            "cache" => step.cache = caches(node, report),
            "start" => step.start = starts(field, around, may_start, report),
            "when" => {
                step.when = when::read(node, report);
                if may_start && step.when.event == [Event::PullRequest] {
                    let problem =
                        Problem::new("no push waits for this test: it runs for pull requests only, which push nothing");
                    report.warn(field.place, problem.expected("another event, too").see(reference::WHEN.anchor));
                }
            }
            "timeout" => step.timeout_ms = positive_duration(node, report),
            "engine" => step.engine = boolean(node, report).unwrap_or(step.engine),
            _ => {}
        }
    }
    is_whole.then_some(step)
}

/// A step's own variables and secrets.
struct Own {
    env: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Own {
    fn of(fields: &[&Entry], declared: &[&str], report: &mut Report<'_>) -> Self {
        let mut own = Own { env: Vec::new(), secrets: Vec::new() };
        if let Some(field) = field(fields, "env") {
            own.env = pairs(&field.value, "variables", report).unwrap_or_default();
            templates::check_pairs(&field.value, declared, report);
        }
        if let Some(field) = field(fields, "secrets") {
            own.secrets = secrets(&field.value, report);
            check_apart(&own.env, &own.secrets, field.place, report);
        }
        own
    }
}

impl<'a> Around<'a> {
    fn surroundings(&self) -> Surroundings<'a> {
        Surroundings { variables: self.declared, environment: self.environment }
    }
}

/// The entry of a map that was meant as a command: `echo one: two`.
fn quoteless(entries: &[Entry]) -> Option<&Entry> {
    let first = entries.first()?;
    let known = reference::STEP.names().any(|name| name == first.key);
    (!known && first.key.contains(char::is_whitespace)).then_some(first)
}

/// A line of its own.
fn plain(line: &str, place: Place, around: Surroundings<'_>, report: &mut Report<'_>) -> Option<Step> {
    check_length(line, place, report)?;
    match docker_run::command(line, around) {
        Ok(read) => {
            for warning in read.warnings {
                report.warn(place, warning.see("docker-run"));
            }
            warn_of_pushes(&read.command, place, report);
            Some(Step { engine: read.engine, ..Step::of(read.command) })
        }
        Err(problems) => {
            problems.into_iter().for_each(|problem| report.add(place, problem.see("docker-run")));
            None
        }
    }
}

fn check_length(line: &str, place: Place, report: &mut Report<'_>) -> Option<()> {
    let message = match line.len() {
        _ if line.trim().is_empty() => "the command is empty",
        length if length > MAX_COMMAND => "the command is too long",
        _ => return Some(()),
    };
    report.add(place, Problem::new(message));
    None
}

/// What a map runs.
fn command(fields: &[&Entry], place: Place, around: Surroundings<'_>, report: &mut Report<'_>) -> Option<Step> {
    let image = field(fields, "image").map(|field| templates::image(&field.value, around.variables, report));
    let run = field(fields, "run").map(|field| (lines(&field.value, report), field.value.place));
    let wants_engine =
        field(fields, "engine").is_some_and(|field| field.value.value == Value::Scalar("true".to_owned()));
    match (image, run) {
        (None, None) => {
            let problem = Problem::new("the step has nothing to run");
            report.add(
                place,
                problem.expected("\"run\", a line or a list of lines; or \"image\", whose own command runs"),
            );
            None
        }
        (Some(image), None) => Some(Step::of(Command::Image { image: image? })),
        (None, Some((lines, place))) => match lines?.as_slice() {
            [only] if !wants_engine => plain(only, place, around, report),
            lines => Some(shell(lines, None, place, report)),
        },
        (Some(image), Some((lines, place))) => Some(shell(&lines?, Some(image?), place, report)),
    }
}

fn shell(lines: &[&str], image: Option<String>, place: Place, report: &mut Report<'_>) -> Step {
    let line = lines.join("\n");
    let engine = docker_run::calls_docker(&line);
    let command = Command::Shell { line, image, strict: true };
    warn_of_pushes(&command, place, report);
    Step { engine, ..Step::of(command) }
}

/// Warns where a command does what Slipway does by itself.
fn warn_of_pushes(command: &Command, place: Place, report: &mut Report<'_>) {
    if let Command::Shell { line, .. } = command
        && let Some(called) = docker_run::pushes(line)
    {
        let problem = Problem::new(format!("\"{called}\": Slipway pushes when every test has passed; leave it out"));
        report.warn(place, problem.see(reference::PUSH.anchor));
    }
}

fn lines<'n>(node: &'n Node, report: &mut Report<'_>) -> Option<Vec<&'n str>> {
    let lines = texts(node, "a command", report)?;
    if lines.is_empty() {
        report.add(node.place, Problem::new("the command is empty"));
        return None;
    }
    let read: Vec<&str> =
        lines.iter().filter_map(|(line, place)| check_length(line, *place, report).map(|()| *line)).collect();
    (read.len() == lines.len()).then_some(read)
}

fn name(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let name = text(node, "a name", report)?.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        let problem = Problem::new(format!("\"{}\" cannot be a step's name", shown(name)));
        report.add(node.place, problem.expected(format!("a line of at most {MAX_NAME} characters")));
        return None;
    }
    Some(name.to_owned())
}

/// The folders that a step keeps, in their plain form.
fn caches(node: &Node, report: &mut Report<'_>) -> Vec<String> {
    report.within("caches", |report| {
        let mut folders: Vec<String> = Vec::new();
        let texts = texts(node, "a folder", report).unwrap_or_default();
        if texts.len() > MAX_CACHES {
            let message = format!("there are {} folders; the limit is {MAX_CACHES}", texts.len());
            report.add(node.place, Problem::new(message));
            return folders;
        }
        for (text, place) in texts {
            let folder = match folder(text) {
                Ok(folder) => folder,
                Err(reason) => {
                    let expected =
                        "a folder of the workspace such as node_modules, or of the container such as /root/.npm";
                    report.add(place, Problem::new(reason).expected(expected));
                    continue;
                }
            };
            if let Some(other) = folders.iter().find(|other| is_within(other, &folder) || is_within(&folder, other)) {
                let message = format!("the cache \"{folder}\" and the cache \"{other}\" are one within the other");
                report.warn(place, Problem::new(message).expected("the outer one alone"));
            }
            folders.push(folder);
        }
        folders
    })
}

fn folder(text: &str) -> Result<String, String> {
    if text.starts_with('~') || text.contains('$') {
        return Err(format!("\"{}\" is not a plain path", shown(text)));
    }
    if text.starts_with('/') {
        let path = format!("/{}", paths::clean(text.trim_start_matches('/'))?);
        mounts::check_target(&path)?;
        return Ok(path);
    }
    match paths::clean(text)? {
        path if path == "." => Err("the workspace itself cannot be a cache".to_owned()),
        path => Ok(path),
    }
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The apps whose just-built images run as services for a test.
fn starts(entry: &Entry, around: &Around<'_>, may_start: bool, report: &mut Report<'_>) -> Vec<String> {
    report.within("services", |report| {
        if !may_start {
            let problem = Problem::new("\"start\" is for tests: before, there may be no image to start");
            report.add(entry.place, problem.expected("the step under \"test\""));
            return Vec::new();
        }
        let mut started = Vec::new();
        for (name, place) in texts(&entry.value, "an app", report).unwrap_or_default() {
            match around.apps.iter().find(|(app, _)| *app == name) {
                None => report.add(place, unknown_app(name, around.apps)),
                // Of its own combinations an app starts the one at hand.
                Some((_, true)) if name != around.own => {
                    let message = format!("the app \"{name}\" has a matrix, so that it is not one image");
                    report.add(place, Problem::new(message).expected("an app without \"matrix\""));
                }
                Some(_) if !is_host_label(name) => {
                    let message = format!("\"{name}\" cannot be started: its name is its address");
                    let expected = "an app whose name has lower-case letters, digits and \"-\" only";
                    report.add(place, Problem::new(message).expected(expected));
                }
                Some(_) if started.iter().any(|known| known == name) => {}
                Some(_) => started.push(name.to_owned()),
            }
        }
        started
    })
}

/// The name of no app.
pub(super) fn unknown_app(name: &str, apps: &[(&str, bool)]) -> Problem {
    Problem::new(format!("unknown app \"{}\"", shown(name)))
        .expected("an app of this file")
        .nearest(name, apps.iter().map(|(app, _)| *app))
}
