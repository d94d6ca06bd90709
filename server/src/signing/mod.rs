//! The keys by which the server signs what its builds push, and by which releases are checked. A private key is stored
//! sealed, and is opened for the moment of a signature alone.

mod key;
mod keys;
mod signer;

pub(crate) use key::sign;
pub use keys::{SigningError, create, remove};
pub(crate) use signer::keys_of;
pub use signer::{Signer, SignerError};
