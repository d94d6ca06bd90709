//! Which step may run now, which never will, and why. Knows no engine: it is told how steps end.

use slipway_pipelines::plan::PlannedStep;

use crate::coordinator::StepOutcome;

/// The steps of one build on their way.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// What was under way before: it goes on before anything new begins.
    preferred: Vec<u32>,
}

#[derive(Debug)]
struct Node {
    index: u32,
    needs: Vec<u32>,
    name: String,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting,
    /// The plan leaves it out: it is done as soon as what it needs is.
    Skipped,
    Running,
    Ended(StepOutcome),
    /// It will not run, because the step with this index failed.
    Left(u32),
}

impl Graph {
    pub(super) fn new(steps: &[PlannedStep]) -> Self {
        let node = |step: &PlannedStep| Node {
            index: step.index,
            needs: step.needs.clone(),
            name: step.name.clone(),
            state: if step.skipped.is_some() { State::Skipped } else { State::Waiting },
        };
        Graph { nodes: steps.iter().map(node).collect(), preferred: Vec::new() }
    }

    /// Lets a step go before others as soon as it may run.
    pub(super) fn prefer(&mut self, index: u32) {
        self.preferred.push(index);
    }

    /// Takes the first step that may run now, and counts it as running.
    pub(super) fn start_next(&mut self) -> Option<u32> {
        let may_run = |node: &Node| node.state == State::Waiting && node.needs.iter().all(|&need| self.is_done(need));
        let first = |node: &Node| self.preferred.contains(&node.index) && may_run(node);
        let at = self.nodes.iter().position(first).or_else(|| self.nodes.iter().position(may_run))?;
        let node = &mut self.nodes[at];
        node.state = State::Running;
        Some(node.index)
    }

    /// A step needs only earlier ones, so that this comes to an end.
    fn is_done(&self, index: u32) -> bool {
        // The checkout is not among the nodes, and has succeeded by now.
        self.node(index).is_none_or(|node| match node.state {
            State::Ended(outcome) => outcome == StepOutcome::Succeeded,
            State::Skipped => node.needs.iter().all(|&need| self.is_done(need)),
            State::Waiting | State::Running | State::Left(_) => false,
        })
    }

    /// Notes how a step ended. Returns the steps that will not run for it, each with the reason. Of one that was skipped,
    /// the plan or the step that it was skipped for says all there is to know.
    pub(super) fn end(&mut self, index: u32, outcome: StepOutcome) -> Vec<(u32, String)> {
        if outcome == StepOutcome::Skipped {
            return Vec::new();
        }
        if let Some(node) = self.nodes.iter_mut().find(|node| node.index == index) {
            node.state = State::Ended(outcome);
        }
        let mut left = Vec::new();
        if outcome != StepOutcome::Failed {
            return left;
        }
        // A step needs only earlier ones, so that one pass reaches all that depend on the failed one.
        for at in 0..self.nodes.len() {
            let hit = self.nodes[at]
                .needs
                .iter()
                .any(|&need| need == index || self.node(need).is_some_and(|node| node.state == State::Left(index)));
            if !hit {
                continue;
            }
            match self.nodes[at].state {
                State::Waiting => {
                    self.nodes[at].state = State::Left(index);
                    left.push((self.nodes[at].index, format!("{} failed", self.in_words(index))));
                }
                // It ended when it was declared, and passes on what it waited for.
                State::Skipped => self.nodes[at].state = State::Left(index),
                State::Running | State::Ended(_) | State::Left(_) => {}
            }
        }
        left
    }

    /// Takes every step that was not begun out of the way.
    pub(super) fn abandon(&mut self) -> Vec<u32> {
        let waiting = self.nodes.iter_mut().filter(|node| node.state == State::Waiting);
        waiting
            .map(|node| {
                node.state = State::Ended(StepOutcome::Cancelled);
                node.index
            })
            .collect()
    }

    /// A step's index and name, as in `step 3 (mvn package)`.
    pub(super) fn in_words(&self, index: u32) -> String {
        match self.node(index) {
            Some(node) => format!("step {index} ({})", node.name),
            None => format!("step {index}"),
        }
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.index == index)
    }
}

#[cfg(test)]
mod tests {
    use slipway_pipelines::plan::Action;

    use super::*;

    fn graph(needs: &[&[u32]]) -> Graph {
        Graph::new(&steps(needs))
    }

    fn steps(needs: &[&[u32]]) -> Vec<PlannedStep> {
        let step = |(at, needs): (usize, &&[u32])| PlannedStep {
            index: u32::try_from(at).unwrap_or_default() + 1,
            app: "web".to_owned(),
            name: format!("command {}", at + 1),
            needs: needs.to_vec(),
            reason: None,
            skipped: None,
            timeout_ms: None,
            action: Action::Push { image: String::new(), tags: Vec::new(), attest: Vec::new() },
        };
        needs.iter().enumerate().map(step).collect()
    }

    fn ready(graph: &mut Graph) -> Vec<u32> {
        std::iter::from_fn(|| graph.start_next()).collect()
    }

    #[test]
    fn steps_start_as_soon_as_their_needs_succeeded() {
        let mut graph = graph(&[&[], &[1], &[], &[2, 3]]);
        assert_eq!(ready(&mut graph), [1, 3]);
        graph.end(3, StepOutcome::Succeeded);
        assert_eq!(ready(&mut graph), [] as [u32; 0]);
        graph.end(1, StepOutcome::Succeeded);
        assert_eq!(ready(&mut graph), [2]);
        graph.end(2, StepOutcome::Succeeded);
        assert_eq!(ready(&mut graph), [4]);
    }

    #[test]
    fn a_failure_leaves_out_all_that_depends_on_it_and_names_itself() {
        let mut graph = graph(&[&[], &[1], &[2], &[], &[3, 4]]);
        assert_eq!(ready(&mut graph), [1, 4]);
        let left = graph.end(1, StepOutcome::Failed);
        let reason = "step 1 (command 1) failed".to_owned();
        assert_eq!(left, [(2, reason.clone()), (3, reason.clone()), (5, reason)]);
        assert_eq!(graph.end(4, StepOutcome::Failed), [], "what is left out already stays so");
        assert_eq!(ready(&mut graph), [] as [u32; 0]);
    }

    #[test]
    fn what_a_condition_leaves_out_never_starts_and_passes_on_what_it_waited_for() {
        let mut steps = steps(&[&[], &[1], &[2], &[]]);
        steps[1].skipped = Some("when.branch is main, this is feature/x".to_owned());
        let mut graph = Graph::new(&steps);
        assert_eq!(ready(&mut graph), [1, 4]);
        assert_eq!(graph.end(1, StepOutcome::Succeeded), []);
        assert_eq!(ready(&mut graph), [3]);

        let mut graph = Graph::new(&steps);
        assert_eq!(ready(&mut graph), [1, 4]);
        let left = graph.end(1, StepOutcome::Failed);
        assert_eq!(left, [(3, "step 1 (command 1) failed".to_owned())], "what is skipped has ended already");
    }

    #[test]
    fn what_was_under_way_goes_on_first_and_what_ended_is_not_run_again() {
        let mut graph = graph(&[&[], &[], &[1], &[2], &[4]]);
        graph.end(1, StepOutcome::Succeeded);
        graph.prefer(3);
        assert_eq!(ready(&mut graph), [3, 2]);
        let left = graph.end(2, StepOutcome::Failed);
        assert_eq!(left.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [4, 5]);
        assert_eq!(graph.end(4, StepOutcome::Skipped), [], "it is known already");
        assert_eq!(ready(&mut graph), [] as [u32; 0]);
    }

    #[test]
    fn abandoned_steps_never_start() {
        let mut graph = graph(&[&[], &[1], &[2]]);
        assert_eq!(graph.start_next(), Some(1));
        assert_eq!(graph.abandon(), [2, 3]);
        graph.end(1, StepOutcome::Succeeded);
        assert_eq!(graph.start_next(), None);
    }
}
