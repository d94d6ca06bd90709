//! Which app needs which, why, and the order that follows.

use std::fmt::Write as _;

use super::{
    PlanError, Tree,
    instances::{Instance, Instances},
};
use crate::dockerfile::{self, Dockerfile};

/// The needs of all apps.
#[derive(Debug)]
pub(super) struct Needs {
    /// By app: what it needs, in the order in which that is found.
    pub(super) of: Vec<Vec<Need>>,
    /// The apps, each after those that it needs, and otherwise as in the file.
    pub(super) order: Vec<usize>,
    /// By app: its place in `order`.
    pub(super) rank: Vec<usize>,
}

/// One app that another one needs.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) on: usize,
    pub(super) why: Why,
}

/// Why an app needs another one.
#[derive(Debug, Clone)]
pub(super) enum Why {
    /// `needs` names it: nothing of the app begins before.
    Given,
    /// The Dockerfile names its image: the app's own image waits.
    Dockerfile {
        /// Such as `FROM shop/base in web/Dockerfile`.
        place: String,
    },
}

impl Why {
    pub(super) fn in_words(&self) -> &str {
        match self {
            Why::Given => "its \"needs\"",
            Why::Dockerfile { place } => place,
        }
    }
}

impl Needs {
    /// Finds the needs that are given and those that the Dockerfiles imply.
    pub(super) fn new(instances: &Instances<'_>, tree: &Tree) -> Result<Self, PlanError> {
        let of = instances.all.iter().enumerate().map(|(at, instance)| needs_of(at, instance, instances, tree));
        let of = of.collect::<Result<Vec<_>, _>>()?;
        let mut search =
            Search { instances, of: &of, state: vec![State::New; of.len()], way: Vec::new(), order: Vec::new() };
        for at in 0..of.len() {
            search.visit(at)?;
        }
        let order = search.order;
        let mut rank = vec![0; order.len()];
        for (place, at) in order.iter().enumerate() {
            rank[*at] = place;
        }
        Ok(Needs { of, order, rank })
    }
}

fn needs_of(
    at: usize,
    instance: &Instance<'_>,
    instances: &Instances<'_>,
    tree: &Tree,
) -> Result<Vec<Need>, PlanError> {
    let mut needs: Vec<Need> = Vec::new();
    for name in &instance.app.needs {
        let named = instances.named(name);
        if named.is_empty() {
            return Err(instances.unknown(format!("{} needs", instance.name), name));
        }
        needs.extend(named.into_iter().map(|on| Need { on, why: Why::Given }));
    }
    let Some(text) = tree.dockerfiles.get(&instance.dockerfile) else { return Ok(needs) };
    let file = Dockerfile::read(text, &instance.build_args);
    for used in file.images(instance.target.as_deref()) {
        let on = instances.of_image(&used.image).filter(|on| *on != at);
        let Some(on) = on.filter(|on| dockerfile::means(&used.image, &instances.all[*on].image)) else { continue };
        if needs.iter().all(|need| need.on != on) {
            let place = format!("{} {} in {}", used.place, used.image, instance.dockerfile);
            needs.push(Need { on, why: Why::Dockerfile { place } });
        }
    }
    Ok(needs)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnTheWay,
    Done,
}

/// Goes through the apps in file order, each after what it needs.
struct Search<'s, 'a> {
    instances: &'s Instances<'a>,
    of: &'s [Vec<Need>],
    state: Vec<State>,
    /// The apps that are being visited, each with the need that led to it.
    way: Vec<(usize, Option<&'s Why>)>,
    order: Vec<usize>,
}

impl<'s> Search<'s, '_> {
    fn visit(&mut self, at: usize) -> Result<(), PlanError> {
        self.enter(at, None)
    }

    fn enter(&mut self, at: usize, by: Option<&'s Why>) -> Result<(), PlanError> {
        match self.state[at] {
            State::Done => return Ok(()),
            State::OnTheWay => return Err(PlanError::Circle { way: self.circle(at, by) }),
            State::New => self.state[at] = State::OnTheWay,
        }
        self.way.push((at, by));
        for need in &self.of[at] {
            self.enter(need.on, Some(&need.why))?;
        }
        self.way.pop();
        self.state[at] = State::Done;
        self.order.push(at);
        Ok(())
    }

    /// The way from an app back to itself, in words.
    fn circle(&self, start: usize, last: Option<&Why>) -> String {
        let begin = self.way.iter().position(|(at, _)| *at == start).unwrap_or_default();
        let round = &self.way[begin..];
        let after = round.iter().skip(1).copied().chain([(start, last)]);
        let mut told = String::new();
        for ((from, _), (to, why)) in round.iter().zip(after) {
            let separator = if told.is_empty() { "" } else { ", " };
            let (from, to) = (&self.instances.all[*from].name, &self.instances.all[to].name);
            let why = why.map(Why::in_words).unwrap_or_default();
            // Writing to a string does not fail.
            let _ = write!(told, "{separator}{from} needs {to} ({why})");
        }
        told
    }
}
