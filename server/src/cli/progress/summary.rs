//! What is said at the end: how much was done, and of what failed the last words.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    time::Duration,
};

use slipway_runner::coordinator::StepOutcome;

use super::{Colours, Shown, in_words, title};

/// Tells it on standard error if something failed, else on standard output.
pub(super) fn tell(steps: &BTreeMap<u32, Shown>, took: Duration, colours: Colours) {
    let (text, is_bad) = text(steps, took, colours);
    // Where the terminal is gone, the exit code still tells.
    drop(if is_bad { writeln!(io::stderr(), "{text}") } else { writeln!(io::stdout(), "{text}") });
}

fn text(steps: &BTreeMap<u32, Shown>, took: Duration, colours: Colours) -> (String, bool) {
    let outcome = |step: &Shown| step.result.as_ref().map(|result| result.outcome);
    let count = |wanted: StepOutcome| steps.values().filter(|step| outcome(step) == Some(wanted)).count();
    let mut text = String::new();
    for step in steps.values().filter(|step| outcome(step) == Some(StepOutcome::Failed)) {
        let reason = step.result.as_ref().and_then(|result| result.reason.as_deref()).unwrap_or("it failed");
        text.push_str(&format!("\n{} {}\n", colours.bad("failed:"), title(&step.declaration)));
        // What Slipway says of the failure is often the last line as well.
        for line in step.tail.iter().filter(|line| line.as_str() != reason) {
            text.push_str(&format!("  {} {line}\n", colours.faint("|")));
        }
        text.push_str(&format!("  {reason}\n"));
    }
    let (failed, done) = (count(StepOutcome::Failed), count(StepOutcome::Succeeded));
    let stopped = count(StepOutcome::Cancelled);
    let left_out = steps.len() - failed - done - stopped;
    let mut parts = vec![format!("{done} done")];
    for (number, word) in [(left_out, "skipped"), (stopped, "stopped"), (failed, "failed")] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    let line = format!("{} of {} steps in {}", parts.join(", "), steps.len(), in_words(took));
    text.push_str(&if failed + stopped > 0 { colours.bad(&line) } else { colours.good(&line) });
    (text, failed + stopped > 0)
}
