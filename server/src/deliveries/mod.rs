//! Webhook deliveries: who sent them, and what they say.

mod decoy;
pub mod github;
pub mod signature;

use slipway_pipelines::{config::Event, skip};

pub use decoy::Decoy;

/// What a delivery says, in Slipway's words. The forge's own shapes go no further than the module that reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A branch or a tag points to a commit now.
    Pushed(Push),
    /// A branch or a tag is gone.
    Deleted {
        /// The full ref.
        git_ref: String,
    },
    /// Something that starts nothing.
    Nothing {
        /// Why, in a sentence for people.
        reason: String,
    },
}

/// A branch or a tag that points to a commit now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The full ref, `refs/heads/…` or `refs/tags/…`.
    pub git_ref: String,
    /// The commit, 40 hexadecimal digits in lower case.
    pub commit: String,
    /// The commit that the ref pointed to before; none for a new ref.
    pub before: Option<String>,
    /// The commit's message, cut to [`MESSAGE_CHARS`].
    pub message: String,
    /// Whether the commit asks not to be built; read from the whole of its message.
    pub asks_to_skip: bool,
    /// The commit's author as written in the commit, cut to [`AUTHOR_CHARS`]; shown, never trusted.
    pub author: String,
}

impl Push {
    /// What the build is caused by: `tag` or `push`.
    #[must_use]
    pub fn event(&self) -> Event {
        if self.git_ref.starts_with("refs/tags/") { Event::Tag } else { Event::Push }
    }

    /// Whether the wish of its commit not to be built is to be heard: a tag is a deliberate act, and is built.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.asks_to_skip && skip::can_be_skipped(self.event())
    }
}

/// The longest commit message that is kept, in characters.
pub const MESSAGE_CHARS: usize = 2_000;
/// The longest author's name that is kept, in characters.
pub const AUTHOR_CHARS: usize = 200;
