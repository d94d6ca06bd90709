//! How a state looks: a word, a shape and a tone, so that nobody has to tell it by colour alone.

use askama::Template;

/// Every state that the dashboard shows, of builds, steps, releases and deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A release that waits for people or for its time.
    Held,
    /// A build that waits for a person's approval.
    Awaiting,
    /// A build or release that waits for its turn.
    Queued,
    /// A step that waits for the steps it needs.
    Pending,
    /// A build or step at work.
    Running,
    /// A release on its way into its environment.
    Rolling,
    /// A build or step that did what it should.
    Succeeded,
    /// The release that serves now.
    Live,
    /// A delivery that was taken.
    Accepted,
    /// What did not do what it should.
    Failed,
    /// A step whose runner went away under it.
    Lost,
    /// What was stopped on request.
    Cancelled,
    /// A step that was left out.
    Skipped,
    /// A release that a newer one overtook before it began.
    Superseded,
    /// A release that somebody did not want.
    Rejected,
    /// A release that served once.
    Retired,
    /// A delivery that asked for nothing.
    Ignored,
}

/// The four tones that colours are given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// At rest: nothing to look at.
    Quiet,
    /// At work.
    Active,
    /// As it should be.
    Good,
    /// Wants a person.
    Bad,
}

impl Tone {
    /// Its class in the style sheet.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Tone::Quiet => "quiet",
            Tone::Active => "active",
            Tone::Good => "good",
            Tone::Bad => "bad",
        }
    }

    /// The file of the icon that a browser's tab shows.
    #[must_use]
    pub fn favicon(self) -> &'static str {
        match self {
            Tone::Quiet => "favicon.svg",
            Tone::Active => "favicon-active.svg",
            Tone::Good => "favicon-good.svg",
            Tone::Bad => "favicon-bad.svg",
        }
    }
}

impl State {
    /// All of them.
    pub const ALL: [State; 17] = [
        State::Held,
        State::Awaiting,
        State::Queued,
        State::Pending,
        State::Running,
        State::Rolling,
        State::Succeeded,
        State::Live,
        State::Accepted,
        State::Failed,
        State::Lost,
        State::Cancelled,
        State::Skipped,
        State::Superseded,
        State::Rejected,
        State::Retired,
        State::Ignored,
    ];

    /// The word for people, which is also the word of the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Awaiting => "awaiting",
            State::Queued => "queued",
            State::Pending => "pending",
            State::Running => "running",
            State::Rolling => "rolling",
            State::Succeeded => "succeeded",
            State::Live => "live",
            State::Accepted => "accepted",
            State::Failed => "failed",
            State::Lost => "lost",
            State::Cancelled => "cancelled",
            State::Skipped => "skipped",
            State::Superseded => "superseded",
            State::Rejected => "rejected",
            State::Retired => "retired",
            State::Ignored => "ignored",
        }
    }

    /// The shape's name in `icons.html`.
    #[must_use]
    pub fn shape(self) -> &'static str {
        match self {
            State::Held | State::Awaiting => "held",
            State::Queued | State::Pending => "waiting",
            State::Running => "running",
            State::Rolling => "rolling",
            State::Succeeded | State::Accepted => "check",
            State::Live => "live",
            State::Failed | State::Lost => "cross",
            State::Cancelled | State::Rejected => "stopped",
            State::Skipped | State::Ignored => "dash",
            State::Superseded | State::Retired => "past",
        }
    }

    /// Its tone.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            State::Held | State::Awaiting | State::Running | State::Rolling => Tone::Active,
            State::Succeeded | State::Live | State::Accepted => Tone::Good,
            State::Failed | State::Lost => Tone::Bad,
            State::Queued
            | State::Pending
            | State::Cancelled
            | State::Skipped
            | State::Superseded
            | State::Rejected
            | State::Retired
            | State::Ignored => Tone::Quiet,
        }
    }

    /// Whether something may still happen to it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, State::Held | State::Awaiting | State::Queued | State::Pending | State::Running | State::Rolling)
    }

    /// Reads the database's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Its shape with its word.
    #[must_use]
    pub fn mark(self) -> Mark {
        Mark { state: self }
    }

    /// Its shape alone, with the word for screen readers and as a tooltip.
    #[must_use]
    pub fn glyph(self) -> Glyph {
        Glyph { state: self }
    }
}

/// A state's shape with its word.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    ext = "html",
    source = r##"<span class="mark {{ state.tone().class() }}"><svg class="icon" aria-hidden="true"><use href="#i-{{ state.shape() }}"/></svg>{{ state.word() }}</span>"##
)]
pub struct Mark {
    /// What it shows.
    pub state: State,
}

/// A state's shape alone.
#[derive(Debug, Clone, Copy, Template)]
#[template(
    ext = "html",
    source = r##"<span class="glyph {{ state.tone().class() }}" title="{{ state.word() }}"><svg class="icon" role="img" aria-label="{{ state.word() }}"><use href="#i-{{ state.shape() }}"/></svg></span>"##
)]
pub struct Glyph {
    /// What it shows.
    pub state: State,
}

impl askama::filters::HtmlSafe for Mark {}
impl askama::filters::HtmlSafe for Glyph {}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn every_word_is_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.word()), Some(state));
        }
        assert_eq!(State::from_word("exploded"), None);
    }

    #[test]
    fn every_shape_is_drawn() {
        let icons = include_str!("../templates/icons.html");
        for state in State::ALL {
            assert!(icons.contains(&format!("id=\"i-{}\"", state.shape())), "{state:?} has no shape");
        }
    }
}
