//! The order of a build: what must have succeeded before what.

use std::collections::BTreeMap;

use super::{
    Action, Goal, Phase, Plan, PlanError, PlannedService, PlannedStep, ReleasePlan, Situation, StepRun, compose,
    instances::{Instance, Instances},
    matrix,
    needs::{Needs, Why},
    pushes::Pushes,
    scope::Included,
    services,
    steps::{Lowered, Lowering},
    warnings,
};
use crate::config::Config;

/// The most steps that one build may have.
const MAX_STEPS: usize = 1_000;

/// Plans the build of a configuration for one trigger.
///
/// Each app goes `pre`, build, `post`, as early as what it needs allows: what `needs` names before any of it, what its
/// Dockerfile builds on before its image, and an app whose image a command runs before that command. Its tests follow once
/// it is made, and with it the apps whose images they run or start. Images are pushed when every test has passed. Apps that
/// do not need each other go side by side; where nothing else decides, the order of the file does.
///
/// What a condition leaves out is in the plan as skipped, and nothing waits for it.
///
/// # Errors
/// When the trigger's values make an image's name or a path that cannot be, apps need each other in a circle, a name is no
/// app's, two apps come to the same image, or there are too many steps.
pub fn plan(config: &Config, situation: &Situation) -> Result<Plan, PlanError> {
    let count = count(config);
    if count > MAX_STEPS {
        return Err(PlanError::TooManySteps { count, limit: MAX_STEPS });
    }
    let mut instances = Instances::new(config, &situation.trigger)?;
    let needs = Needs::new(&instances, &situation.tree)?;
    instances.take_in(&needs);
    let instances = instances;
    let lowering = Lowering::new(config, &situation.trigger, &instances);
    let mut lowered = Vec::with_capacity(instances.all.len());
    for instance in &instances.all {
        let mut steps = lowering.steps(instance, Phase::Pre)?;
        steps.extend(lowering.steps(instance, Phase::Post)?);
        steps.extend(lowering.steps(instance, Phase::Test)?);
        lowered.push(steps);
    }
    let included = Included::new(&instances, &needs, &lowered, &situation.scope)?;
    let mut planner = Planner {
        instances: &instances,
        needs: &needs,
        lowering: &lowering,
        included: &included,
        steps: Vec::new(),
        services: Vec::new(),
        built: vec![Vec::new(); instances.all.len()],
        ready: vec![Vec::new(); instances.all.len()],
        warnings: Vec::new(),
    };
    let left_out = planner.all(lowered, config, situation)?;
    let Planner { steps, services, warnings: mut told, .. } = planner;
    told.extend(warnings::all(config, situation, &instances, &needs)?);
    let is_whole = situation.scope.app.is_none() && situation.scope.goal == Goal::Push;
    let release = if is_whole { release(config, left_out, situation, &mut told)? } else { ReleasePlan::default() };
    Ok(Plan { steps, services, warnings: told, release })
}

/// How many steps a configuration has at most.
fn count(config: &Config) -> usize {
    let of_app = |app: &crate::config::App| {
        let commands = app.pre.iter().chain(&app.post).chain(&app.test).map(|step| matrix::count(&step.matrix));
        let once = commands.fold(2_usize, usize::saturating_add);
        once.saturating_mul(matrix::count(&app.matrix))
    };
    config.apps.iter().map(of_app).fold(0, usize::saturating_add)
}

struct Planner<'a> {
    instances: &'a Instances<'a>,
    needs: &'a Needs,
    lowering: &'a Lowering<'a>,
    included: &'a Included,
    steps: Vec<PlannedStep>,
    services: Vec<PlannedService>,
    /// By app: the steps after which its image exists. More than one where the step itself is left out.
    built: Vec<Vec<u32>>,
    /// By app: the steps after which it is made, `post` included.
    ready: Vec<Vec<u32>>,
    warnings: Vec<String>,
}

impl<'a> Planner<'a> {
    /// Plans everything; the apps that are not pushed, with the reasons.
    fn all(
        &mut self,
        lowered: Vec<Vec<Lowered>>,
        config: &'a Config,
        situation: &'a Situation,
    ) -> Result<BTreeMap<String, String>, PlanError> {
        let order: Vec<usize> = self.needs.order.iter().copied().filter(|at| self.included.makes(*at)).collect();
        let mut lowered: Vec<Option<Vec<Lowered>>> = lowered.into_iter().map(Some).collect();
        let mut tests = Vec::new();
        for at in order.iter().copied() {
            let steps = lowered[at].take().unwrap_or_default();
            let (making, testing) = steps.into_iter().partition(|step| step.phase != Phase::Test);
            self.make(at, making)?;
            tests.push((at, testing));
        }
        let mut ends: Vec<u32> = order.iter().flat_map(|at| self.ready[*at].clone()).collect();
        let mut is_tested = false;
        for (at, testing) in tests.into_iter().filter(|(at, _)| self.included.tests(*at)) {
            is_tested |= !testing.is_empty();
            let before = self.ready[at].clone();
            ends.extend(self.chain(at, testing, before, Vec::new())?);
        }
        let ends = last_of(&ends, &self.steps);
        let mut left_out = BTreeMap::new();
        let mut pushes = Pushes::new(situation, &config.defaults);
        for at in order.into_iter().filter(|at| self.included.pushes(*at)) {
            let instance = &self.instances.all[at];
            let (tags, skipped) = pushes.of(instance)?;
            if let Some(reason) = &skipped {
                left_out.entry(instance.app.name.clone()).or_insert_with(|| reason.clone());
            }
            let reason = if is_tested { "after every test of the build" } else { "once everything is built" };
            let action = Action::Push { image: instance.image.clone(), tags, attest: instance.app.attest.clone() };
            self.add(at, format!("push {}", instance.image), ends.clone(), &[reason.to_owned()], skipped, action);
        }
        Ok(left_out)
    }

    /// The steps that make an app: `pre`, build, `post`.
    fn make(&mut self, at: usize, steps: Vec<Lowered>) -> Result<(), PlanError> {
        let instance = &self.instances.all[at];
        let (pre, post): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.phase == Phase::Pre);
        let mut before = Vec::new();
        let mut first_reasons: Vec<String> = instance.note.clone().into_iter().collect();
        let mut base = Vec::new();
        let mut base_reasons = Vec::new();
        for need in self.needs.of[at].iter().filter(|need| self.included.makes(need.on)) {
            let other = &self.instances.all[need.on];
            let reason = match (&other.left_out, &need.why) {
                (None, why) => format!("after {}: {}", other.name, why.in_words()),
                (Some(reason), Why::Given) => format!("without {}, which is left out: {reason}", other.name),
                (Some(reason), Why::Dockerfile { place }) => {
                    format!("{place} is what its registry holds: {} is left out, {reason}", other.name)
                }
            };
            match need.why {
                Why::Given => {
                    before.extend_from_slice(&self.built[need.on]);
                    first_reasons.push(reason);
                }
                Why::Dockerfile { .. } => {
                    base.extend_from_slice(&self.built[need.on]);
                    base_reasons.push(reason);
                }
            }
        }
        let has_pre = !pre.is_empty();
        let before =
            self.chain(at, pre, before, if has_pre { std::mem::take(&mut first_reasons) } else { Vec::new() })?;
        first_reasons.extend(base_reasons);
        let mut needs = before;
        needs.extend(base);
        let action = Action::Build {
            dockerfile: instance.dockerfile.clone(),
            context: instance.context.clone(),
            image: instance.image.clone(),
            target: instance.target.clone(),
            build_args: instance.build_args.clone(),
            secrets: self.lowering.secrets(&instance.app.build_secrets, &[]),
            cache: instance.app.build_cache,
            pin: instance.app.pin,
        };
        if !instance.app.build_secrets.is_empty() && self.lowering.withholds_secrets() {
            first_reasons.push("without its secrets: a pull request is given none".to_owned());
        }
        let skipped = instance.left_out.clone();
        let is_skipped = skipped.is_some();
        let build = self.add(at, format!("build {}", instance.image), needs.clone(), &first_reasons, skipped, action);
        self.built[at] = if is_skipped { needs } else { vec![build] };
        self.ready[at] = self.chain(at, post, self.built[at].clone(), Vec::new())?;
        Ok(())
    }

    /// Steps one after the other, the first of them after `before` and for these reasons: they share the workspace. What
    /// must have succeeded for all of them to be done.
    fn chain(
        &mut self,
        at: usize,
        steps: Vec<Lowered>,
        mut before: Vec<u32>,
        mut reasons: Vec<String>,
    ) -> Result<Vec<u32>, PlanError> {
        for mut step in steps {
            let mut needs = before.clone();
            reasons.append(&mut step.notes);
            if let Some(of) = step.image {
                self.use_image(at, of, &mut step, &mut needs, &mut reasons);
            }
            let services = self.services(at, &step, &mut needs, &mut reasons)?;
            self.wait_for_engine(at, &step, &mut needs, &mut reasons);
            let Lowered { phase, name, run, secrets, engine, timeout_ms, skipped, .. } = step;
            let is_skipped = skipped.is_some();
            let action = Action::Run { phase, run, secrets, services, engine };
            let index = self.add(at, name, needs, &std::mem::take(&mut reasons), skipped, action);
            if let Some(planned) = self.steps.last_mut() {
                planned.timeout_ms = timeout_ms;
            }
            if !is_skipped {
                before = vec![index];
            }
        }
        Ok(before)
    }

    /// Puts the image of an app of this build into a step, where it exists by then.
    fn use_image(
        &mut self,
        user: usize,
        of: usize,
        step: &mut Lowered,
        needs: &mut Vec<u32>,
        reasons: &mut Vec<String>,
    ) {
        let other = &self.instances.all[of];
        if !self.is_built(user, of, step.phase) {
            if step.skipped.is_none() {
                self.say_registry(user, of, &step.name);
                reasons.extend(self.registry_reason(of));
            }
            return;
        }
        let (StepRun::Shell { built, .. } | StepRun::Container { built, .. }) = &mut step.run;
        *built = Some(other.name.clone());
        if of != user {
            needs.extend_from_slice(if step.phase == Phase::Test { &self.ready[of] } else { &self.built[of] });
            reasons.push(format!("after {}: it runs {}", other.name, other.image));
        }
    }

    /// Has a test wait for the images that it may want from its engine.
    fn wait_for_engine(&self, at: usize, step: &Lowered, needs: &mut Vec<u32>, reasons: &mut Vec<String>) {
        if step.skipped.is_some() {
            return;
        }
        let is_wanted = |of: &usize| *of != at && self.is_built(at, *of, step.phase);
        let others: Vec<usize> = step.engine_runs.iter().copied().filter(is_wanted).collect();
        needs.extend(others.iter().flat_map(|of| &self.ready[*of]));
        let names: Vec<&str> = others.iter().map(|of| self.instances.all[*of].name.as_str()).collect();
        if !names.is_empty() {
            reasons.push(format!("after {}: its engine may run what is built", names.join(", ")));
        }
    }

    /// Warns where an image of the build is not made when a step wants it.
    fn say_registry(&mut self, user: usize, of: usize, step: &str) {
        let (user_name, other) = (&self.instances.all[user].name, &self.instances.all[of]);
        if other.left_out.is_some() || user == of || !self.included.makes(of) {
            return;
        }
        self.warnings.push(format!(
            "{user_name}: \"{step}\" runs {} as its registry holds it, because {} is built later; with needs: [{}] it would be the one of this build",
            other.image, other.name, other.app.name
        ));
    }

    /// Why a step gets an older image of an app than this build could have made.
    fn registry_reason(&self, of: usize) -> Option<String> {
        let other = &self.instances.all[of];
        let reason = other.left_out.as_ref()?;
        Some(format!("{} is what its registry holds: {} is left out, {reason}", other.image, other.name))
    }

    /// Whether the image exists when a step of the user's list runs.
    fn is_built(&self, user: usize, of: usize, phase: Phase) -> bool {
        let is_before = self.needs.rank[of] < self.needs.rank[user];
        let is_early_enough = phase == Phase::Test || is_before || (of == user && phase == Phase::Post);
        is_early_enough && self.included.makes(of) && self.instances.all[of].left_out.is_none()
    }

    /// The services of a step by name; they are planned with the first step that runs and has them.
    fn services(
        &mut self,
        at: usize,
        step: &Lowered,
        needs: &mut Vec<u32>,
        reasons: &mut Vec<String>,
    ) -> Result<Vec<String>, PlanError> {
        let instance = &self.instances.all[at];
        if step.phase == Phase::Post || step.skipped.is_some() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for mut service in services::declared(instance, self.lowering)? {
            if let Some(of) = self.instances.of_image(&service.image) {
                self.use_in_service(at, of, &mut service, step.phase, needs, reasons);
            }
            names.push(self.serve(service)?);
        }
        for of in step.starts.iter().copied() {
            let other = &self.instances.all[of];
            let is_built = self.is_built(at, of, step.phase);
            if is_built && of != at {
                needs.extend_from_slice(if step.phase == Phase::Test { &self.ready[of] } else { &self.built[of] });
                reasons.push(format!("after {}: it starts {}", other.name, other.app.name));
            } else if !is_built {
                reasons.extend(self.registry_reason(of));
            }
            let service = services::started(instance, other, is_built, self.lowering);
            if names.contains(&service.name) {
                return Err(PlanError::SameService { app: instance.name.clone(), name: service.name });
            }
            names.push(self.serve(service)?);
        }
        Ok(names)
    }

    /// Puts the image of an app of this build into a service. A service that runs beside `pre` already stays what it is
    /// for the tests.
    fn use_in_service(
        &mut self,
        user: usize,
        of: usize,
        service: &mut PlannedService,
        phase: Phase,
        needs: &mut Vec<u32>,
        reasons: &mut Vec<String>,
    ) {
        let is_pre = |known: &PlannedStep| {
            known.app == service.app
                && known.skipped.is_none()
                && matches!(known.action, Action::Run { phase: Phase::Pre, .. })
        };
        let phase = if self.steps.iter().any(is_pre) { Phase::Pre } else { phase };
        let other = &self.instances.all[of];
        if self.is_built(user, of, phase) {
            service.built = Some(other.name.clone());
            service.image.clear();
            needs.extend_from_slice(if phase == Phase::Test { &self.ready[of] } else { &self.built[of] });
            if of != user {
                reasons.push(format!("after {}: its service {} runs {}", other.name, service.name, other.image));
            }
            return;
        }
        reasons.extend(self.registry_reason(of));
        if other.left_out.is_some() || !self.included.makes(of) {
            return;
        }
        let remedy = if of == user {
            String::new()
        } else {
            format!("; with needs: [{}] it would be the one of this build", other.app.name)
        };
        let told = format!(
            "{}: the service {} runs {} as its registry holds it, because \"pre\" uses it and {} is built later{remedy}",
            service.app, service.name, other.image, other.name
        );
        if !self.warnings.contains(&told) {
            self.warnings.push(told);
        }
    }

    /// Plans a service once.
    fn serve(&mut self, service: PlannedService) -> Result<String, PlanError> {
        let name = service.name.clone();
        let mut known = self.services.iter();
        match known.find(|known| known.app == service.app && known.name == name) {
            Some(known) if *known == service => {}
            Some(_) => return Err(PlanError::SameService { app: service.app, name }),
            None => self.services.push(service),
        }
        Ok(name)
    }

    fn add(
        &mut self,
        at: usize,
        name: String,
        mut needs: Vec<u32>,
        reasons: &[String],
        skipped: Option<String>,
        action: Action,
    ) -> u32 {
        needs.sort_unstable();
        needs.dedup();
        let instance: &Instance<'_> = &self.instances.all[at];
        let index = u32::try_from(self.steps.len()).unwrap_or(u32::MAX).saturating_add(1);
        self.steps.push(PlannedStep {
            index,
            app: instance.name.clone(),
            name,
            needs,
            reason: (skipped.is_none() && !reasons.is_empty()).then(|| reasons.join("; ")),
            skipped,
            timeout_ms: self.lowering.timeout_ms(instance),
            action,
        });
        index
    }
}

/// Those among the steps that no other of them waits for.
fn last_of(indices: &[u32], steps: &[PlannedStep]) -> Vec<u32> {
    let mut is_before = vec![false; steps.len() + 1];
    let mut is_wanted = vec![false; steps.len() + 1];
    for index in indices {
        is_wanted[*index as usize] = true;
    }
    // A step needs only earlier ones, so that one pass from the last to the first reaches all.
    for step in steps.iter().rev() {
        let at = step.index as usize;
        if is_wanted[at] || is_before[at] {
            for needed in &step.needs {
                is_before[*needed as usize] = true;
            }
        }
    }
    steps
        .iter()
        .map(|step| step.index)
        .filter(|index| is_wanted[*index as usize] && !is_before[*index as usize])
        .collect()
}

fn release(
    config: &Config,
    left_out: BTreeMap<String, String>,
    situation: &Situation,
    told: &mut Vec<String>,
) -> Result<ReleasePlan, PlanError> {
    let apps: BTreeMap<_, _> =
        config.apps.iter().filter_map(|app| Some((app.name.clone(), app.release.clone()?))).collect();
    let left_out = left_out.into_iter().filter(|(app, _)| apps.contains_key(app)).collect();
    let environments = compose::environments(config, &situation.tree, told)?;
    Ok(ReleasePlan { apps, environments, schedules: config.schedules.clone(), left_out, ..ReleasePlan::default() })
}
