//! A configuration's steps for one trigger: every template filled in and judged again, every shorthand resolved.

use std::borrow::Cow;

use super::{
    Phase, PlanError, StepRun, Trigger, engine,
    instances::{Instance, Instances},
    matrix, services,
    templates::{Texts, over},
};
use crate::{
    conditions::{self, Verdict},
    config::{Command, Config, ContainerRun, Event, Mount, MountSource, Pairs, Step, Tmpfs},
    docker_run::{WORKSPACE, mounts::check_target},
    images,
    parse::{DEFAULT_ENGINE_IMAGE, DEFAULT_STEP_IMAGE},
    paths, variables,
};

/// How much of a command a step's name shows, in characters.
const NAME_WIDTH: usize = 100;

/// A step before it has a place in the build.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) phase: Phase,
    pub(super) name: String,
    /// With no image of the build in it yet.
    pub(super) run: StepRun,
    /// The place of the app whose image it runs.
    pub(super) image: Option<usize>,
    /// The places of the apps that it starts.
    pub(super) starts: Vec<usize>,
    /// The places of the apps whose images its services run; empty where it has none.
    pub(super) serves: Vec<usize>,
    /// The places of the apps whose images a test may want from its engine.
    pub(super) engine_runs: Vec<usize>,
    pub(super) secrets: Vec<String>,
    pub(super) engine: bool,
    pub(super) timeout_ms: Option<u64>,
    pub(super) skipped: Option<String>,
    /// What a person may wonder about.
    pub(super) notes: Vec<String>,
}

/// What the steps of one plan have in common.
pub(super) struct Lowering<'a> {
    config: &'a Config,
    trigger: &'a Trigger,
    instances: &'a Instances<'a>,
    /// What every step finds in its environment.
    given: Pairs,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(config: &'a Config, trigger: &'a Trigger, instances: &'a Instances<'a>) -> Self {
        Lowering { config, trigger, instances, given: variables::environment(trigger) }
    }

    /// The steps of one of an app's lists, each as often as its matrix says.
    pub(super) fn steps(&self, instance: &Instance<'_>, phase: Phase) -> Result<Vec<Lowered>, PlanError> {
        let list = match phase {
            Phase::Pre => &instance.app.pre,
            Phase::Post => &instance.app.post,
            Phase::Test => &instance.app.test,
        };
        let mut lowered = Vec::with_capacity(list.len());
        let serves = if list.is_empty() { Vec::new() } else { self.serves(instance)? };
        for step in list {
            let title = step.name.clone().unwrap_or_else(|| title(&step.command));
            for combination in matrix::combinations(&format!("a step of {}", instance.name), &step.matrix)? {
                lowered.push(self.step(instance, phase, (step, &title), &combination, &serves)?);
            }
        }
        Ok(lowered)
    }

    /// The secrets as far as this build is given them: a pull request may be anybody's.
    pub(super) fn secrets(&self, app: &[String], own: &[String]) -> Vec<String> {
        if self.withholds_secrets() {
            return Vec::new();
        }
        let mut secrets = app.to_vec();
        secrets.extend(own.iter().filter(|name| !app.contains(name)).cloned());
        secrets
    }

    pub(super) fn withholds_secrets(&self) -> bool {
        self.trigger.event == Event::PullRequest
    }

    fn step(
        &self,
        instance: &Instance<'_>,
        phase: Phase,
        (step, title): (&Step, &str),
        combination: &Pairs,
        serves: &[usize],
    ) -> Result<Lowered, PlanError> {
        let (skipped, note) = self.judge(instance, step)?;
        let values = if combination.is_empty() {
            Cow::Borrowed(&instance.values)
        } else {
            Cow::Owned(over(instance.values.clone(), combination))
        };
        let texts = Texts { app: &instance.name, values: &values, is_left_out: skipped.is_some() };
        let env = over(over(self.given.clone(), &instance.env), combination);
        let env = over(env, &texts.pairs(&step.env)?);
        let (run, image) = self.run(instance, step, &texts, env)?;
        let mut notes: Vec<String> = note.into_iter().collect();
        let has_secrets = !(instance.app.secrets.is_empty() && step.secrets.is_empty());
        if has_secrets && self.withholds_secrets() {
            notes.push("without its secrets: a pull request is given none".to_owned());
        }
        Ok(Lowered {
            phase,
            name: matrix::named(title, combination),
            run,
            image,
            starts: self.starts(instance, step)?,
            serves: if phase == Phase::Post { Vec::new() } else { serves.to_vec() },
            engine_runs: self.engine_runs(phase, step),
            secrets: self.secrets(&instance.app.secrets, &step.secrets),
            engine: step.engine,
            timeout_ms: step.timeout_ms.or_else(|| self.timeout_ms(instance)),
            skipped,
            notes,
        })
    }

    /// How long a step of the app may take that does not say so itself.
    pub(super) fn timeout_ms(&self, instance: &Instance<'_>) -> Option<u64> {
        instance.app.timeout_ms.or(self.config.defaults.timeout_ms)
    }

    /// Why the step does not run, and what a person may wonder about where it does.
    fn judge(&self, instance: &Instance<'_>, step: &Step) -> Result<(Option<String>, Option<String>), PlanError> {
        if let Some(reason) = &instance.left_out {
            return Ok((Some(reason.clone()), None));
        }
        let verdict = conditions::judge(&step.when, self.trigger);
        match verdict.map_err(|source| PlanError::Pattern { app: instance.name.clone(), source })? {
            Verdict::Holds { note } => Ok((None, note)),
            Verdict::Fails { reason } => Ok((Some(reason), None)),
        }
    }

    /// The places of the apps whose images the app's services run.
    fn serves(&self, instance: &Instance<'_>) -> Result<Vec<usize>, PlanError> {
        let services = services::declared(instance, self)?;
        Ok(services.iter().filter_map(|service| self.instances.of_image(&service.image)).collect())
    }

    /// Before the tests an engine has the images that are there by then; the tests wait for those that they may want.
    fn engine_runs(&self, phase: Phase, step: &Step) -> Vec<usize> {
        match &step.command {
            Command::Shell { line, .. } if step.engine && phase == Phase::Test => engine::wanted(line, self.instances),
            _ => Vec::new(),
        }
    }

    fn starts(&self, instance: &Instance<'_>, step: &Step) -> Result<Vec<usize>, PlanError> {
        let mut starts = Vec::with_capacity(step.start.len());
        for name in &step.start {
            let mut named = self.instances.named(name);
            // Of its own combinations an app means the one at hand.
            if *name == instance.app.name {
                named.retain(|at| self.instances.all[*at].name == instance.name);
            }
            match named.as_slice() {
                [] => return Err(self.instances.unknown(format!("{} starts", instance.name), name)),
                [one] => starts.push(*one),
                several => {
                    let several: Vec<&str> = several.iter().map(|at| self.instances.all[*at].name.as_str()).collect();
                    let (app, name) = (instance.name.clone(), name.clone());
                    return Err(PlanError::StartsSeveral { app, name, several: several.join(", ") });
                }
            }
        }
        Ok(starts)
    }

    /// What a step runs, and the place of the app whose image that is.
    fn run(
        &self,
        instance: &Instance<'_>,
        step: &Step,
        texts: &Texts<'_>,
        env: Pairs,
    ) -> Result<(StepRun, Option<usize>), PlanError> {
        let caches = step.cache.iter().map(|path| cache(path)).collect::<Vec<_>>();
        match &step.command {
            Command::Shell { line, image, strict } => {
                let own = image.as_ref().or(instance.app.step_image.as_ref());
                let default = if step.engine { DEFAULT_ENGINE_IMAGE } else { DEFAULT_STEP_IMAGE };
                let image = match own.or(self.config.defaults.step_image.as_ref()) {
                    Some(image) => texts.checked("the image", image, images::check)?,
                    None => default.to_owned(),
                };
                let of = self.instances.of_image(&image);
                Ok((
                    StepRun::Shell { image, built: None, line: line.clone(), strict: *strict, env, mounts: caches },
                    of,
                ))
            }
            Command::Image { image } => {
                let workspace = MountSource::Workspace { path: ".".to_owned() };
                let workspace = Mount { source: workspace, target: WORKSPACE.to_owned(), read_only: false };
                let run = ContainerRun {
                    image: image.clone(),
                    workdir: Some(WORKSPACE.to_owned()),
                    mounts: vec![workspace],
                    ..ContainerRun::default()
                };
                self.container(&run, texts, env, caches)
            }
            Command::Container { run, .. } => self.container(run, texts, env, caches),
        }
    }

    fn container(
        &self,
        run: &ContainerRun,
        texts: &Texts<'_>,
        env: Pairs,
        caches: Vec<Mount>,
    ) -> Result<(StepRun, Option<usize>), PlanError> {
        let mut mounts = run.mounts.iter().map(|mount| lowered(mount, texts)).collect::<Result<Vec<_>, _>>()?;
        mounts.extend(caches);
        let tmpfs = run.tmpfs.iter().map(|tmpfs| {
            Ok(Tmpfs { path: texts.checked("the folder in memory", &tmpfs.path, check_target)?, size: tmpfs.size })
        });
        let container = ContainerRun {
            image: texts.checked("the image", &run.image, images::check)?,
            args: texts.all(&run.args)?,
            env: over(env, &texts.pairs(&run.env)?),
            env_files: run
                .env_files
                .iter()
                .map(|path| texts.path("the path", path))
                .collect::<Result<_, PlanError>>()?,
            workdir: texts.optional(run.workdir.as_ref())?,
            user: texts.optional(run.user.as_ref())?,
            entrypoint: texts.optional(run.entrypoint.as_ref())?,
            name: texts.optional(run.name.as_ref())?,
            aliases: texts.all(&run.aliases)?,
            hostname: texts.optional(run.hostname.as_ref())?,
            tmpfs: tmpfs.collect::<Result<_, PlanError>>()?,
            mounts,
            ..run.clone()
        };
        let of = self.instances.of_image(&container.image);
        Ok((StepRun::Container { built: None, container: Box::new(container) }, of))
    }
}

fn lowered(mount: &Mount, texts: &Texts<'_>) -> Result<Mount, PlanError> {
    let source = match &mount.source {
        MountSource::Workspace { path } => MountSource::Workspace { path: texts.path("the path", path)? },
        MountSource::Cache { name } => MountSource::Cache { name: name.clone() },
    };
    let target = texts.checked("the mount's target", &mount.target, check_target)?;
    Ok(Mount { source, target, read_only: mount.read_only })
}

/// A cache by its path: an absolute one is the container's, any other one lies in the workspace.
fn cache(path: &str) -> Mount {
    let target = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{WORKSPACE}/{}", paths::clean(path).unwrap_or_else(|_| path.to_owned()))
    };
    Mount { source: MountSource::Cache { name: path.to_owned() }, target, read_only: false }
}

/// The first line of a command, cut where it is long.
fn title(command: &Command) -> String {
    let (Command::Shell { line, .. } | Command::Container { line, .. } | Command::Image { image: line }) = command;
    let line = line.trim();
    let first = line.lines().next().unwrap_or_default().trim_end();
    let mut title: String = first.chars().take(NAME_WIDTH).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    title
}
