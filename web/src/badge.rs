//! A small picture that says how a branch's newest build went, for a README: drawn here, with nothing fetched and no script.

use askama::Template;

use crate::state::{State, Tone};

/// The longest label, in characters.
const LABEL_CHARS: usize = 40;

/// The picture.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "badge.svg")]
pub struct Badge {
    /// What it is about, such as the branch.
    label: String,
    /// How that stands; none before the first build.
    state: Option<State>,
}

impl askama::filters::HtmlSafe for Badge {}

impl Badge {
    /// The badge of a branch.
    #[must_use]
    pub fn of(branch: &str, state: Option<State>) -> Self {
        let mut label: String = branch.chars().take(LABEL_CHARS).collect();
        if label.len() < branch.len() {
            label.push('…');
        }
        Badge { label, state }
    }

    fn word(&self) -> &'static str {
        self.state.map_or("no build", State::word)
    }

    fn colour(&self) -> &'static str {
        match self.state.map_or(Tone::Quiet, State::tone) {
            Tone::Good => "#1a7346",
            Tone::Bad => "#b3261e",
            Tone::Active => "#1a5bb5",
            Tone::Quiet => "#59636e",
        }
    }

    /// The sign beside the word, so that nobody has to tell the state by its colour.
    fn sign(&self) -> &'static str {
        match self.state.map_or(Tone::Quiet, State::tone) {
            Tone::Good => "M1 5.6l2.6 2.6L9 2.4",
            Tone::Bad => "M1.6 1.8l6.8 6.8M8.4 1.8L1.6 8.6",
            Tone::Active => "M5 1.2v4l2.6 1.6",
            Tone::Quiet => "M1.4 5.2h7.2",
        }
    }

    /// The label's width, with the room around it.
    fn left(&self) -> u32 {
        width(&self.label) + 14
    }

    /// The word's width, with the sign and the room around it.
    fn right(&self) -> u32 {
        width(self.word()) + 31
    }

    fn label_width(&self) -> u32 {
        width(&self.label)
    }

    fn word_width(&self) -> u32 {
        width(self.word())
    }
}

/// How wide a text is at 11 pixels, about; the picture stretches it to exactly that, whatever font there is.
fn width(text: &str) -> u32 {
    let tenths: u32 = text
        .chars()
        .map(|character| match character {
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '\'' => 32,
            'f' | 'r' | 't' | '/' | '-' | ' ' | '(' | ')' => 42,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 98,
            'A'..='Z' | '…' => 78,
            _ => 66,
        })
        .sum();
    tenths.div_ceil(10).max(6)
}

#[cfg(test)]
mod tests {
    use super::Badge;
    use crate::state::State;

    #[test]
    fn a_badge_says_its_state_by_word_and_sign_and_escapes_its_branch() {
        let badge = Badge::of("a<b>&", Some(State::Failed)).to_string();
        assert!(badge.contains("failed") && badge.contains("M1.6 1.8") && badge.contains("#b3261e"), "{badge}");
        assert!(!badge.contains("<b>") && !badge.contains("<script") && !badge.contains("style="), "{badge}");
        assert!(Badge::of("main", None).to_string().contains("no build"));
        let long = Badge::of(&"x".repeat(300), Some(State::Succeeded)).to_string();
        assert!(long.len() < 1_500 && long.contains('…'), "{long}");
    }
}
