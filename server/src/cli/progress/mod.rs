//! What a person sees of a build of their own working tree: bars on a terminal, lines in a pipe, and at the end what
//! failed and why.

mod bars;
mod colours;
mod coordinator;
mod lines;
mod summary;

use std::{
    collections::{BTreeMap, VecDeque},
    io::IsTerminal as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(super) use colours::{Colours, plain};
use slipway_runner::coordinator::{LogLine, StepDeclaration, StepKind, StepOutcome, StepResult};

/// How many of a step's last lines are shown again when it failed.
const TAIL: usize = 30;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Style {
    /// Bars where standard output is a terminal, else lines.
    Auto,
    /// Bars.
    Bars,
    /// Every line of output, with the app before it.
    Lines,
}

/// One step as it is shown.
#[derive(Debug)]
struct Shown {
    declaration: StepDeclaration,
    started: Option<Instant>,
    tail: VecDeque<String>,
    result: Option<StepResult>,
}

/// Where steps are shown while they run.
trait Face: Send + Sync {
    /// A step was declared that will not run.
    fn skipped(&self, step: &StepDeclaration, reason: &str);
    /// A step begins.
    fn started(&self, step: &StepDeclaration);
    /// A step said something.
    fn said(&self, step: &StepDeclaration, line: &LogLine);
    /// A step ended.
    fn ended(&self, step: &StepDeclaration, result: &StepResult, took: Duration);
    /// How many steps there are and how many have ended.
    fn counted(&self, ended: usize, all: usize);
    /// Nothing more comes.
    fn closed(&self);
}

/// Hears of a build and shows it.
pub(super) struct Progress {
    face: Box<dyn Face>,
    colours: Colours,
    steps: Mutex<BTreeMap<u32, Shown>>,
    begun: Instant,
}

impl Progress {
    /// Shows progress in a style.
    pub(super) fn new(style: Style, colours: Colours) -> Arc<Self> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let with_bars = match style {
            Style::Auto => std::io::stdout().is_terminal() && !is_dumb,
            Style::Bars => true,
            Style::Lines => false,
        };
        let face: Box<dyn Face> =
            if with_bars { Box::new(bars::Bars::new(colours)) } else { Box::new(lines::Lines::new(colours)) };
        Arc::new(Progress { face, colours, steps: Mutex::default(), begun: Instant::now() })
    }

    /// The kind of the first step that failed.
    pub(super) fn failed_kind(&self) -> Option<StepKind> {
        let steps = self.steps();
        let failed = |step: &&Shown| step.result.as_ref().is_some_and(|result| result.outcome == StepOutcome::Failed);
        steps.values().find(failed).map(|step| step.declaration.kind)
    }

    /// Ends the display and tells how it went.
    pub(super) fn close(&self) {
        self.face.closed();
        summary::tell(&self.steps(), self.begun.elapsed(), self.colours);
    }

    fn steps(&self) -> MutexGuard<'_, BTreeMap<u32, Shown>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The app and what the step does, such as `web: build shop/web`.
fn title(step: &StepDeclaration) -> String {
    let name = colours::plain(&step.name);
    let name = match step.kind {
        StepKind::Pre | StepKind::Post | StepKind::Test => format!("{} {name}", kind(step)),
        _ => name,
    };
    match &step.app {
        Some(app) => format!("{app}: {name}"),
        None => name,
    }
}

/// The word for what the step does.
fn kind(step: &StepDeclaration) -> &'static str {
    match step.kind {
        StepKind::Pre => "pre",
        StepKind::Build => "build",
        StepKind::Post => "post",
        StepKind::Test => "test",
        StepKind::Push => "push",
        StepKind::Checkout
        | StepKind::Preflight
        | StepKind::Roll
        | StepKind::Canary
        | StepKind::Preview
        | StepKind::Switch
        | StepKind::Command
        | StepKind::Return
        | StepKind::Cleanup => "step",
    }
}

/// A time for people: `0.4s`, `12.0s`, `3m 05s`.
fn in_words(took: Duration) -> String {
    let seconds = took.as_secs();
    if seconds < 60 { format!("{:.1}s", took.as_secs_f64()) } else { format!("{}m {:02}s", seconds / 60, seconds % 60) }
}
