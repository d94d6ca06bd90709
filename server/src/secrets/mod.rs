//! What must not be read by whoever gets a copy of the database: values that hide themselves, the key, and the sealing.

mod key;
mod login_scope;
pub mod repository;
mod seal;
mod secret;

pub use key::{KeyError, SecretKey};
pub use login_scope::{LoginScope, LoginScopeError};
pub use seal::{OpenError, Place, Sealer};
pub use secret::Secret;
