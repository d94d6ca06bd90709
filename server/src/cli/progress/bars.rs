//! Progress as bars on a terminal: one line for each step that runs, and one for them all.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use slipway_runner::coordinator::{LogLine, StepDeclaration, StepOutcome, StepResult};

use super::{Colours, Face, colours, in_words, title};

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);

/// A line for each running step over a bar for all of them.
pub(super) struct Bars {
    colours: Colours,
    all: MultiProgress,
    total: ProgressBar,
    running: Mutex<BTreeMap<u32, ProgressBar>>,
}

impl Bars {
    pub(super) fn new(colours: Colours) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let total = all.add(ProgressBar::new(0));
        total.set_style(style("[{bar:30}] {pos}/{len} steps  {elapsed}").progress_chars("=> "));
        Bars { colours, all, total, running: Mutex::default() }
    }

    fn bar(&self, step: &StepDeclaration) -> Option<ProgressBar> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(&step.index).cloned()
    }

    /// A line that stays, over the bars.
    fn keep(&self, line: &str) {
        // Where the terminal is gone, nobody looks on any more; the build goes on.
        drop(self.all.println(line));
    }
}

impl Face for Bars {
    fn skipped(&self, step: &StepDeclaration, reason: &str) {
        self.keep(&self.colours.faint(&format!("- {}  skipped, {reason}", title(step))));
    }

    fn started(&self, step: &StepDeclaration) {
        let bar = self.all.insert_before(&self.total, ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {prefix}  {elapsed}  {wide_msg}"));
        bar.set_prefix(self.colours.name(&title(step)));
        bar.enable_steady_tick(TURN);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(step.index, bar);
    }

    fn said(&self, step: &StepDeclaration, line: &LogLine) {
        if let Some(bar) = self.bar(step) {
            bar.set_message(self.colours.faint(colours::plain(&line.text).trim()));
        }
    }

    fn ended(&self, step: &StepDeclaration, result: &StepResult, took: Duration) {
        let bar = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&step.index);
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        let (title, took) = (title(step), in_words(took));
        let reason = result.reason.as_deref().unwrap_or_default();
        match result.outcome {
            StepOutcome::Succeeded => self.keep(&format!("{} {title}  {took}", self.colours.good("✓"))),
            StepOutcome::Failed => self.keep(&format!("{} {title}  {took}", self.colours.bad("✗"))),
            StepOutcome::Skipped => self.keep(&self.colours.faint(&format!("- {title}  not run, {reason}"))),
            StepOutcome::Cancelled => self.keep(&self.colours.faint(&format!("- {title}  stopped"))),
        }
    }

    fn counted(&self, ended: usize, all: usize) {
        self.total.set_length(all as u64);
        self.total.set_position(ended as u64);
    }

    fn closed(&self) {
        self.total.finish_and_clear();
    }
}

/// A template that is known to be right; the plainest one if it ever is not.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
