//! What the demo says on the terminal: calm lines, each told once, readable in a pipe as well.

use std::{
    io::{IsTerminal, Write, stdout},
    time::Duration,
};

/// The terminal, or the pipe, that the demo talks to.
pub(super) struct Terminal {
    colour: bool,
}

impl Terminal {
    /// Talks to standard output, in colour where it is a terminal.
    pub(super) fn stdout() -> Self {
        Terminal { colour: stdout().is_terminal() }
    }

    /// Opens a chapter of the story.
    pub(super) fn chapter(&self, title: &str) {
        self.write(&format!("\n{}", self.painted("1", title)));
    }

    /// Tells a fact.
    pub(super) fn fact(&self, text: &str) {
        self.write(&format!("  {text}"));
    }

    /// Tells of something that ended well, and how long it took.
    pub(super) fn done(&self, what: &str, took: Option<Duration>) {
        self.mark("32", "✓", what, took);
    }

    /// Tells of something that failed, as it should or not.
    pub(super) fn failed(&self, what: &str, took: Option<Duration>) {
        self.mark("31", "✗", what, took);
    }

    /// Tells of something that is under way.
    pub(super) fn running(&self, what: &str) {
        self.mark("33", "▸", what, None);
    }

    fn mark(&self, colour: &str, mark: &str, what: &str, took: Option<Duration>) {
        let took = took.map(|took| self.painted("2", &format!("  {}", seconds(took)))).unwrap_or_default();
        self.write(&format!("  {} {what}{took}", self.painted(colour, mark)));
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn write(&self, line: &str) {
        // A reader that went away (`| head`) is no reason to stop the demo before it has cleaned up.
        let _ = writeln!(stdout(), "{line}");
    }
}

/// A duration as people read it: `0.42 s`, `12.3 s`, `2 min 5 s`.
pub(super) fn seconds(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", took.as_secs() / 60, took.as_secs() % 60)
    }
}
