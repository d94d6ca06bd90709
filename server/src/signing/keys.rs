//! The server's own keys. The newest signs; the older ones stay for what they have signed, until they are removed.

use super::key;
use crate::{
    secrets::{Place, Sealer},
    store::{
        StoreError, Tx,
        signing_keys::{self, SealedKey},
    },
};

/// The most keys that a server has.
const MOST: usize = 10;

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// There are enough.
    #[error("there are {MOST} keys already: remove one whose signatures are not needed any more")]
    TooMany,
    /// It cannot be made.
    #[error("no key can be made: the system gives no random bytes")]
    NoKey,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a key, which signs from now on.
///
/// # Errors
/// When there are too many, or the database fails.
pub async fn create(tx: &mut Tx, sealer: &Sealer, actor: &str) -> Result<SealedKey, SigningError> {
    if signing_keys::list(&mut tx.conn()).await?.len() >= MOST {
        return Err(SigningError::TooMany);
    }
    let (public, secret) = key::make().map_err(|_| SigningError::NoKey)?;
    let id = public.fingerprint();
    let key = SealedKey {
        private_key: sealer.seal(Place::signing_key(&id), &secret),
        public_key: public.to_string(),
        created_at: tx.now(),
        created_by: actor.to_owned(),
        id,
    };
    signing_keys::insert(tx, &key).await?;
    Ok(key)
}

/// Removes a key: it signs nothing more, and what it has signed is no longer let in by the word `server`. Tells whether
/// there was one.
///
/// # Errors
/// When the database fails.
pub async fn remove(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    signing_keys::remove(tx, id).await
}
