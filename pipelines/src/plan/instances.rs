//! The apps of one build: each once, or once for every combination of its matrix, with its texts filled in.

use std::collections::BTreeMap;

use super::{
    PlanError, Trigger, matrix,
    needs::{Needs, Why},
    templates::{Texts, over},
};
use crate::{
    conditions::{self, Verdict},
    config::{App, Config, Pairs, PushRule},
    images, variables,
};

/// One app of a build, for one combination of its matrix.
#[derive(Debug)]
pub(super) struct Instance<'a> {
    pub(super) app: &'a App,
    pub(super) name: String,
    pub(super) combination: Pairs,
    /// What its texts may use: Slipway's variables, its matrix's, its `env`.
    pub(super) values: Pairs,
    /// The variables of its steps, besides those that every step has.
    pub(super) env: Pairs,
    pub(super) image: String,
    pub(super) dockerfile: String,
    pub(super) context: String,
    pub(super) target: Option<String>,
    pub(super) build_args: Pairs,
    /// Why it takes no part in the build.
    pub(super) left_out: Option<String>,
    /// What a person may wonder about where it does.
    pub(super) note: Option<String>,
}

impl<'a> Instance<'a> {
    fn new(app: &'a App, combination: Pairs, trigger: &Trigger) -> Result<Self, PlanError> {
        let verdict = conditions::judge(&app.when, trigger)
            .map_err(|source| PlanError::Pattern { app: app.name.clone(), source })?;
        let (left_out, note) = match verdict {
            Verdict::Holds { note } => (None, note),
            Verdict::Fails { reason } => (Some(reason), None),
        };
        let mut values = over(variables::values(trigger), &combination);
        let mut env = combination.clone();
        for (name, template) in &app.env {
            let texts = Texts { app: &app.name, values: &values, is_left_out: false };
            let own = (name.clone(), texts.expand(template)?);
            values.push(own.clone());
            env = over(env, &[own]);
        }
        let texts = Texts { app: &app.name, values: &values, is_left_out: left_out.is_some() };
        Ok(Instance {
            image: texts.checked("the image", &app.image, images::check_name)?,
            dockerfile: texts.path("the Dockerfile's path", &app.dockerfile)?,
            context: texts.path("the build context", &app.context)?,
            target: texts.optional(app.target.as_ref())?,
            build_args: texts.pairs(&app.build_args)?,
            app,
            name: matrix::named(&app.name, &combination),
            combination,
            values,
            env,
            left_out,
            note,
        })
    }

    /// How its texts are filled in.
    pub(super) fn texts(&self) -> Texts<'_> {
        Texts { app: &self.name, values: &self.values, is_left_out: self.left_out.is_some() }
    }
}

/// An app that takes part although nothing of its own changed, and why.
struct Taken {
    at: usize,
    note: String,
    /// Whether what it builds on changed, or it is built for its users only.
    has_changed: bool,
}

/// The apps of one build, in file order.
#[derive(Debug)]
pub(super) struct Instances<'a> {
    pub(super) all: Vec<Instance<'a>>,
    /// The places of the apps by the images that they build.
    by_image: BTreeMap<String, usize>,
}

impl<'a> Instances<'a> {
    pub(super) fn new(config: &'a Config, trigger: &Trigger) -> Result<Self, PlanError> {
        let mut instances = Instances { all: Vec::new(), by_image: BTreeMap::new() };
        for app in &config.apps {
            for combination in matrix::combinations(&app.name, &app.matrix)? {
                instances.add(Instance::new(app, combination, trigger)?)?;
            }
        }
        Ok(instances)
    }

    /// Two may have the same image when this build leaves one of them out.
    fn add(&mut self, instance: Instance<'a>) -> Result<(), PlanError> {
        let at = self.all.len();
        let key = images::familiar(&instance.image).to_owned();
        let first = self.by_image.get(&key).map(|first| &self.all[*first]);
        match first {
            Some(first) if first.left_out.is_none() && instance.left_out.is_none() => {
                return Err(same_image(first, &instance));
            }
            Some(first) if first.left_out.is_none() => {}
            _ => {
                self.by_image.insert(key, at);
            }
        }
        self.all.push(instance);
        Ok(())
    }

    /// Takes in apps that were left out because nothing of theirs changed, where that is not the whole of it: one whose
    /// Dockerfile builds on an app that this build makes anew, and one that is never pushed, so that no registry has it for
    /// an app of this build that builds on it.
    pub(super) fn take_in(&mut self, needs: &Needs) {
        // What is built for its users only has not changed itself, and is no reason to build others anew.
        let mut unchanged = Vec::new();
        while let Some(Taken { at, note, has_changed }) = self.to_take_in(needs, &unchanged) {
            self.all[at].left_out = None;
            self.all[at].note = Some(note);
            unchanged.extend((!has_changed).then_some(at));
        }
    }

    fn to_take_in(&self, needs: &Needs, unchanged: &[usize]) -> Option<Taken> {
        let builds_on = |at: usize, on: usize| {
            needs.of[at].iter().any(|need| need.on == on && matches!(need.why, Why::Dockerfile { .. }))
        };
        let takes_part = |at: &usize| self.all[*at].left_out.is_none();
        (0..self.all.len()).find_map(|at| {
            let instance = &self.all[at];
            let reason = instance.left_out.as_ref().filter(|reason| reason.starts_with("when.paths"))?;
            if self.of_image(&instance.image) != Some(at) {
                return None;
            }
            let mut others = (0..self.all.len()).filter(takes_part);
            if let Some(base) = others.clone().find(|other| builds_on(at, *other) && !unchanged.contains(other)) {
                let note = format!("{reason}, but {}, which it builds on, is built anew", self.all[base].name);
                return Some(Taken { at, note, has_changed: true });
            }
            let user = others.find(|other| instance.app.push == PushRule::Never && builds_on(*other, at))?;
            let note = format!("{reason}, but {} builds on it, and it is never pushed", self.all[user].name);
            Some(Taken { at, note, has_changed: false })
        })
    }

    /// The place of the app that builds the image, whatever its tag; a digest names an image that exists already.
    pub(super) fn of_image(&self, image: &str) -> Option<usize> {
        if images::split(image).digest.is_some() {
            return None;
        }
        self.by_image.get(images::familiar(image)).copied()
    }

    /// The places of all that go by the name: an app's, or that of one combination.
    pub(super) fn named(&self, name: &str) -> Vec<usize> {
        let all = self.all.iter().enumerate();
        all.filter(|(_, instance)| instance.app.name == name || instance.name == name).map(|(at, _)| at).collect()
    }

    /// The error for a name that is no app's. `by` says who names it.
    pub(super) fn unknown(&self, by: String, name: &str) -> PlanError {
        const SHOWN: usize = 10;
        let mut names: Vec<&str> = self.all.iter().map(|instance| instance.app.name.as_str()).collect();
        names.dedup();
        let hint = match crate::diagnostics::nearest(name, names.iter().copied()) {
            Some(nearest) => format!("did you mean \"{nearest}\"?"),
            None if names.len() > SHOWN => format!("there are {} and others", names[..SHOWN].join(", ")),
            None => format!("there are {}", names.join(", ")),
        };
        PlanError::UnknownApp { by, name: name.to_owned(), hint }
    }
}

fn same_image(first: &Instance<'_>, second: &Instance<'_>) -> PlanError {
    let (image, names) = (second.image.clone(), (first.name.clone(), second.name.clone()));
    let mut pairs = first.combination.iter().zip(&second.combination);
    match pairs.find(|(one, other)| one != other) {
        Some(((variable, _), _)) if first.app.name == second.app.name => {
            PlanError::SameCombination { first: names.0, second: names.1, image, variable: variable.clone() }
        }
        _ => PlanError::SameImage { first: names.0, second: names.1, image },
    }
}

/// The paths of the Dockerfiles that a plan for this trigger wants to read, each once: whoever makes a
/// [`super::Situation`] puts their texts into its tree.
#[must_use]
pub fn dockerfiles(config: &Config, trigger: &Trigger) -> Vec<String> {
    // Where the texts do not come out, the plan itself says why.
    let Ok(instances) = Instances::new(config, trigger) else { return Vec::new() };
    let mut paths: Vec<String> = instances.all.into_iter().map(|instance| instance.dockerfile).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}
