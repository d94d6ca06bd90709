//! What must not be read by whoever gets a copy of the database: values that hide themselves, the keys, and the sealing.

mod given_to;
pub mod instance;
mod key;
mod keyring;
mod login_scope;
pub mod repository;
pub mod rotation;
mod seal;
mod secret;

pub use given_to::{Cause, GivenTo, GivenToError};
pub use key::{KeyError, KeyId, SecretKey};
pub use keyring::Keyring;
pub use login_scope::{LoginScope, LoginScopeError};
pub use seal::{OpenError, Place, Sealed, Sealer};
pub use secret::Secret;
