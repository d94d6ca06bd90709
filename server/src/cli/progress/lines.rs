//! Progress as lines, for pipes, logs and terminals that want nothing else.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use slipway_runner::coordinator::{LogLine, LogStream, StepDeclaration, StepOutcome, StepResult};

use super::{Colours, Face, in_words, kind, title};

/// Every line of output, with the app and what it does before it.
pub(super) struct Lines {
    colours: Colours,
}

impl Lines {
    pub(super) fn new(colours: Colours) -> Self {
        Lines { colours }
    }

    fn say(&self, text: &str) {
        write(&format!("{} {text}", self.colours.name("[slipway]")));
    }
}

impl Face for Lines {
    fn skipped(&self, step: &StepDeclaration, reason: &str) {
        self.say(&self.colours.faint(&format!("{}: skipped, {reason}", title(step))));
    }

    fn started(&self, step: &StepDeclaration) {
        self.say(&title(step));
    }

    fn said(&self, step: &StepDeclaration, line: &LogLine) {
        let app = step.app.as_deref().unwrap_or("build");
        let text = match line.stream {
            LogStream::Slipway => self.colours.faint(&super::colours::plain(&line.text)),
            LogStream::Out | LogStream::Err => self.colours.output(&line.text),
        };
        write(&format!("{} {text}", self.colours.name(&format!("{app} {} |", kind(step)))));
    }

    fn ended(&self, step: &StepDeclaration, result: &StepResult, took: Duration) {
        let (title, took) = (title(step), in_words(took));
        let reason = result.reason.as_deref().unwrap_or_default();
        match result.outcome {
            StepOutcome::Succeeded => self.say(&self.colours.good(&format!("{title}: done in {took}"))),
            StepOutcome::Failed => self.say(&self.colours.bad(&format!("{title}: failed after {took}"))),
            StepOutcome::Skipped => self.say(&self.colours.faint(&format!("{title}: not run, {reason}"))),
            StepOutcome::Cancelled => self.say(&self.colours.faint(&format!("{title}: stopped"))),
        }
    }

    fn counted(&self, _: usize, _: usize) {}

    fn closed(&self) {}
}

/// Where standard output is gone, nobody looks on any more; the build goes on.
fn write(line: &str) {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}
