//! A key that what is sealed in the database is sealed with. It lives outside the database.

use std::{fmt, io, path::PathBuf, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// 256 bits, from the operating system's random source.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey([u8; 32]);

/// By what a key is told from others, by sealed values and by people. It says nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; Self::BYTES]);

/// Why there is no key to go on with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key given is not 32 bytes in base64.
    #[error("the secret key from {origin} is not 32 bytes in base64; `openssl rand -base64 32` makes one")]
    Malformed {
        /// Where the key came from.
        origin: String,
    },
    /// The key's file is open to others.
    #[error(
        "{path} can be read by others (mode {mode:o}); run `chmod 600 {path}`, and replace what was sealed with it"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key's file cannot be read or made.
    #[error("cannot read or make the key file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system's random source does not answer: {0}")]
    Random(getrandom::Error),
    /// The key that the database is sealed with is not here.
    #[error(
        "the secrets in the database are sealed with the key {needed}, and {origin} holds {held}; put that key back \
         (docs/operations.md, “The key of the secrets”). If it is lost for good, start once with \
         SLIPWAY_SECRET_KEY_LOST={needed}, and set every secret anew"
    )]
    Missing {
        /// The key that is needed.
        needed: String,
        /// Where this server's keys are.
        origin: String,
        /// Their ids.
        held: String,
    },
    /// There is no other key to rotate to.
    #[error(
        "the key comes from SLIPWAY_SECRET_KEY: make a new one with `openssl rand -base64 32`, start every server of \
         this database with it in SLIPWAY_SECRET_KEY and the present one in SLIPWAY_SECRET_KEY_PREVIOUS, and rotate then"
    )]
    NoOther,
}

impl SecretKey {
    /// A new key.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        Ok(SecretKey(bytes))
    }

    /// By what it is told from others.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new().chain_update(b"slipway secret key").chain_update(self.0).finalize();
        let mut id = [0; KeyId::BYTES];
        id.iter_mut().zip(hash).for_each(|(byte, of_hash)| *byte = of_hash);
        KeyId(id)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads what [`SecretKey::encode`] wrote.
    pub(super) fn decode(text: &str, origin: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { origin: origin.to_owned() };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| malformed())?;
        Ok(SecretKey(bytes.try_into().map_err(|_| malformed())?))
    }

    /// As it stands in its file.
    pub(super) fn encode(&self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey([secret])")
    }
}

impl KeyId {
    /// How many bytes it has in a sealed value.
    pub(super) const BYTES: usize = 4;

    pub(super) fn of(bytes: [u8; Self::BYTES]) -> Self {
        KeyId(bytes)
    }

    pub(super) fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl FromStr for KeyId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u32::from_str_radix(text, 16).map(|id| KeyId(id.to_be_bytes()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_id() {
        let key = SecretKey::random().unwrap();
        assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        assert_eq!(SecretKey::decode(&key.encode(), "a test").unwrap().id(), key.id());
        assert_ne!(SecretKey::random().unwrap().id(), key.id());
        assert!(!format!("{key:?}").contains(&key.encode()));
    }
}
