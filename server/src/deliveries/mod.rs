//! Webhook deliveries: who sent them, and what they say.

mod decoy;
pub mod github;
mod headers;
mod refusals;
pub mod signature;

use slipway_pipelines::{config::Event, plan::PullRequest, skip};

pub use decoy::Decoy;
pub use headers::kept;
pub use refusals::{Refusal, Refusals};

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
    /// A pull request is there to be built.
    Proposed(Proposal),
    /// A pull request is merged, or given up.
    Closed(Word),
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
    /// Who pushed, by the name at the forge, cut to [`AUTHOR_CHARS`]; empty where the forge does not say.
    pub pusher: String,
}

/// Which pull request a delivery tells of, and how new that is: deliveries may come in another order than they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Its number.
    pub number: i64,
    /// When it last changed by the forge's clock, in unix milliseconds; none where the forge does not say.
    pub said_at: Option<i64>,
    /// What it is from then on.
    pub stands: Stands,
}

/// Whether a pull request is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// It is.
    Open,
    /// It is again: it was closed before.
    OpenAgain,
    /// It is not.
    Closed,
}

/// A pull request at one of its commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Which one, and of which branches.
    pub pull: PullRequest,
    /// How new this is.
    pub word: Word,
    /// The tip of its branch, 40 hexadecimal digits in lower case.
    pub commit: String,
    /// The tip before it, where commits were pushed to it.
    pub before: Option<String>,
    /// Its title, cut to [`MESSAGE_CHARS`].
    pub title: String,
    /// Who opened it, by the name at the forge, cut to [`AUTHOR_CHARS`]; shown, never trusted.
    pub author: String,
    /// By whose doing it is there, as the forge has verified.
    pub proposer: Proposer,
}

/// An account at the forge. The id is verified by the forge and stays; the name may be given up, and taken by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: i64,
    /// Its name, cut to [`AUTHOR_CHARS`]; for people.
    pub login: String,
}

/// By whose doing a pull request is at its commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposer {
    /// Who opened it; none where the forge does not say.
    pub opener: Option<Account>,
    /// Who did what the delivery tells of, such as pushing to its branch; none where nobody did.
    pub sender: Option<Account>,
    /// The other repository that its branch is in, by the forge's ids of both; none for the repository's own branches.
    pub fork: Option<String>,
}

/// The ref under which the forge keeps what merging a pull request would give.
#[must_use]
pub fn merge_ref(pull_request: i64) -> String {
    format!("refs/pull/{pull_request}/merge")
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

/// The longest ref that git hosts allow is shorter than this.
const REF_BYTES: usize = 512;

/// Whether a text is the whole name of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The rules of git-check-ref-format that keep a ref from meaning something else to git or to a terminal.
pub(crate) fn is_ref(text: &str) -> bool {
    text.len() <= REF_BYTES
        && text.starts_with("refs/")
        && !text.ends_with(['/', '.'])
        && !text.contains("..")
        && !text.contains("//")
        && !text.contains("@{")
        && !text.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c))
        && text.split('/').all(|part| !part.starts_with('.') && !part.ends_with(".lock"))
}
