//! People who prove elsewhere who they are: at an OpenID provider, or at GitHub. What is taken from there is who somebody is, by
//! an id that is never given to anybody else, and what they belong to; whose account that is, the store says.

mod asker;
mod attempt;
mod entrance;
mod error;
mod github;
mod identity;
mod openid;
mod proved;
mod provider;

pub use attempt::{Attempt, AttemptCookie, Purpose};
pub use entrance::{Entrance, EntranceError};
pub use error::ExternalError;
pub use identity::Identity;
pub use proved::Proved;
pub use provider::{Begun, LoginKind, LoginSettings, Provider, Providers};
