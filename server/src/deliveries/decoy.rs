//! The hook that does not exist: a delivery to an unknown address is checked against it with the same work as against
//! a real one, so that neither the answer nor its time tells which addresses exist.

use std::sync::{Mutex, PoisonError};

use crate::{
    access::token::random_text,
    secrets::{OpenError, Place, Sealer, Secret},
    store::repositories::Hook,
};

/// A secret that nobody knows, sealed as real ones are.
#[derive(Debug)]
pub struct Decoy {
    sealed: Mutex<Vec<u8>>,
}

impl Decoy {
    const ID: &'static str = "00000000000000000000000000";

    /// A new one.
    #[must_use]
    pub fn new(sealer: &Sealer) -> Self {
        Decoy { sealed: Mutex::new(Self::made(sealer)) }
    }

    fn made(sealer: &Sealer) -> Vec<u8> {
        sealer.seal(Place::hook_secret(Self::ID), &Secret::new(random_text()))
    }

    /// The secret to check a delivery with: the hook's own, or, where there is no hook, one that nothing matches.
    ///
    /// # Errors
    /// When the hook's secret was sealed with another key.
    pub fn secret(&self, sealer: &Sealer, hook: Option<&Hook>) -> Result<Secret, OpenError> {
        match hook {
            Some(hook) => sealer.open(Place::hook_secret(hook.repository.id.as_str()), &hook.hook_secret),
            None => {
                let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
                // The key may have been rotated since, and the one before is forgotten.
                if !sealer.is_of_today(&sealed) {
                    *sealed = Self::made(sealer);
                }
                sealer.open(Place::hook_secret(Self::ID), &sealed)
            }
        }
    }
}
