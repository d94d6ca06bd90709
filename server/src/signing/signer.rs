//! Whose signatures an environment asks for.

use std::{fmt, str::FromStr};

use slipway_runner::signing::{KeyError, PublicKey};

use crate::{
    environments::Written,
    store::{Conn, StoreError, signing_keys},
};

/// The word for the server itself.
const SERVER: &str = "server";

/// Somebody who signs images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// This server, by whichever of its keys.
    Server,
    /// Whoever has this key.
    Key(PublicKey),
}

/// Why a text names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signer is the word `server` or a public key: {0}")]
pub struct SignerError(#[from] KeyError);

impl FromStr for Signer {
    type Err = SignerError;

    fn from_str(text: &str) -> Result<Self, SignerError> {
        if text.trim() == SERVER { Ok(Signer::Server) } else { Ok(Signer::Key(text.parse()?)) }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signer::Server => f.write_str(SERVER),
            Signer::Key(key) => write!(f, "{key}"),
        }
    }
}

impl Signer {
    /// A few words for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Signer::Server => "this server".to_owned(),
            Signer::Key(key) => format!("the key {}", key.fingerprint()),
        }
    }
}

/// The keys of those who may have signed, as runners are told them.
pub(crate) async fn keys_of(conn: &mut Conn<'_>, signers: &[Written<Signer>]) -> Result<Vec<String>, StoreError> {
    let mut keys = Vec::new();
    for signer in signers {
        match &signer.0 {
            Signer::Key(key) => keys.push(key.to_string()),
            Signer::Server => keys.extend(signing_keys::list(conn).await?.into_iter().map(|key| key.public_key)),
        }
    }
    Ok(keys)
}
