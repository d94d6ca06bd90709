//! Why something about people was not done.

use super::PasswordError;
use crate::{
    access::{GrantError, TokenNameError},
    store::StoreError,
};

/// Why something about people was not done.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Nobody is called so.
    #[error("nobody is called {0}; the page of the users names all of them")]
    Unknown(String),
    /// A name that nobody may have.
    #[error(transparent)]
    Name(#[from] TokenNameError),
    /// It was somebody's whose account was removed.
    #[error(
        "{0} was somebody whose account was removed, and what they were is not passed on to others: choose another name, or bring that account back (`slipway user create NAME --again`, or “Bring back” beneath the list of users)"
    )]
    Retired(String),
    /// There is nothing to bring back.
    #[error("nobody called {0} was removed; make an account of that name instead")]
    NotRemoved(String),
    /// Their groups at a provider give it.
    #[error(
        "{name} has that of their groups at {provider}, and would have it again at the next login: take them out of the group there, or disable them here"
    )]
    OfGroups {
        /// Who.
        name: String,
        /// Where the groups are.
        provider: String,
    },
    /// More tokens than anybody needs.
    #[error("nobody has more than {0} tokens of their own: revoke one first")]
    TooManyTokens(usize),
    /// A token that holds too long, or not at all.
    #[error("a token of one's own expires after 1 to {0} days")]
    TokenDays(u16),
    /// A token that would allow more than its owner may.
    #[error("the most that {name} may anywhere is {most}: a token of theirs can be no more")]
    Beyond {
        /// Who.
        name: String,
        /// The greatest role that they have.
        most: &'static str,
    },
    /// A token that would allow more than the one that it is made with.
    #[error(
        "a token makes others that are at most what it is itself, and those make none: make this one on the page “Your account”"
    )]
    BeyondToken,
    /// A name that would be read as several, or as a path.
    #[error("A name holds neither a comma nor a slash.")]
    Divided,
    /// Nobody could administer the server any more.
    #[error(
        "{0} is the last who administers the whole server with a password of their own, and not by a provider's groups: make somebody else an administrator first"
    )]
    Last(String),
    /// There is no such grant.
    #[error("“{0}” was not granted that; it may have been taken back meanwhile")]
    NotGranted(String),
    /// More than anybody needs.
    #[error("nobody is granted more than {0} things: take one back, or use a pattern")]
    TooMany(usize),
    /// What is granted means nothing.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// A password that is not taken.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Somebody changed the account meanwhile: another password, or no way in any more.
    #[error("the account was changed meanwhile; try again")]
    Changed,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
