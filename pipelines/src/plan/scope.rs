//! How much of a configuration a plan holds.

use super::{Goal, Phase, PlanError, Scope, instances::Instances, needs::Needs, steps::Lowered};

/// What a plan does with each app.
#[derive(Debug)]
pub(super) struct Included {
    goal: Goal,
    /// By app: whether it is made, because it is wanted or needed by one that is.
    is_made: Vec<bool>,
    /// By app: whether it is wanted itself.
    is_wanted: Vec<bool>,
}

impl Included {
    pub(super) fn new(
        instances: &Instances<'_>,
        needs: &Needs,
        lowered: &[Vec<Lowered>],
        scope: &Scope,
    ) -> Result<Self, PlanError> {
        let count = instances.all.len();
        let Some(app) = &scope.app else {
            return Ok(Included { goal: scope.goal, is_made: vec![true; count], is_wanted: vec![true; count] });
        };
        let mut waiting = instances.named(app);
        if waiting.is_empty() {
            return Err(instances.unknown("this asks for".to_owned(), app));
        }
        let mut included = Included { goal: scope.goal, is_made: vec![false; count], is_wanted: vec![false; count] };
        for at in &waiting {
            included.is_wanted[*at] = true;
        }
        while let Some(at) = waiting.pop() {
            if std::mem::replace(&mut included.is_made[at], true) {
                continue;
            }
            waiting.extend(needs.of[at].iter().map(|need| need.on));
            for step in lowered[at].iter().filter(|step| step.phase != Phase::Test || included.tests(at)) {
                let used = step.image.iter().chain(&step.starts).chain(&step.serves).chain(&step.engine_runs).copied();
                waiting.extend(used.filter(|of| step.phase == Phase::Test || needs.rank[*of] < needs.rank[at]));
            }
        }
        Ok(included)
    }

    /// Whether the app's image is built.
    pub(super) fn makes(&self, at: usize) -> bool {
        self.is_made[at]
    }

    /// Whether the app's tests run.
    pub(super) fn tests(&self, at: usize) -> bool {
        self.is_wanted[at] && self.goal >= Goal::Test
    }

    /// Whether the app's image is pushed.
    pub(super) fn pushes(&self, at: usize) -> bool {
        self.is_wanted[at] && self.goal >= Goal::Push
    }
}
