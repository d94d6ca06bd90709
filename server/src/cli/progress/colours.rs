//! Colours for a terminal that wants them.

use std::io::IsTerminal as _;

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Colours(bool);

impl Colours {
    /// Colours where standard output is a terminal, unless they are refused or `NO_COLOR` is set.
    /// <https://no-color.org>
    pub(in crate::cli) fn unless(refused: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Colours(!refused && !no_color && std::io::stdout().is_terminal())
    }

    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn name(self, text: &str) -> String {
        self.with("36", text)
    }

    /// A line of a command's output: its own colours are kept where there are any, and nothing else that moves a terminal.
    pub(super) fn output(self, text: &str) -> String {
        if self.0 && text.contains('\x1b') { format!("{}\x1b[0m", filtered(text, true)) } else { plain(text) }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The text without anything that a terminal would obey.
pub(in crate::cli) fn plain(text: &str) -> String {
    filtered(text, false)
}

/// Leaves control sequences out, but those that set colours if they are wanted (ECMA-48, "SGR").
fn filtered(text: &str, with_colours: bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\x1b' {
            if !c.is_control() || c == '\t' {
                kept.push(c);
            }
            continue;
        }
        if rest.next_if_eq(&'[').is_none() {
            rest.next();
            continue;
        }
        let mut sequence = String::from("\x1b[");
        for c in rest.by_ref() {
            sequence.push(c);
            if ('@'..='~').contains(&c) {
                break;
            }
        }
        if with_colours && sequence.ends_with('m') {
            kept.push_str(&sequence);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{Colours, plain};

    #[test]
    fn output_may_colour_but_not_move() {
        let text = "\x1b[2J\x1b[31mred\x1b[0m\x07 and\ttab\x1b]0;title";
        assert_eq!(plain(text), "red and\ttab0;title");
        assert_eq!(Colours(true).output(text), "\x1b[31mred\x1b[0m and\ttab0;title\x1b[0m");
        assert_eq!(Colours(false).output(text), plain(text));
        assert_eq!(Colours(false).bad("no"), "no");
    }
}
