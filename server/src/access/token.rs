//! Bearer tokens and session values: random, shown once, known to the database by their SHA-256 alone.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::secrets::Secret;

/// What every token starts with, so that a leaked one is recognised by people and by secret scanners.
const PREFIX: &str = "slipway_";

/// A new token with 256 random bits.
#[must_use]
pub fn mint_token() -> Secret {
    Secret::new(format!("{PREFIX}{}", random_text()))
}

/// 256 random bits in base64 for URLs: 43 characters.
#[must_use]
pub fn random_text() -> String {
    let mut bytes = [0; 32];
    #[expect(clippy::expect_used, reason = "the kernel's random source cannot fail after boot")]
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the database knows of a token or a session. A fast hash is enough: the value has 256 random bits.
#[must_use]
pub fn hash(value: &str) -> Vec<u8> {
    Sha256::digest(value.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_recognisable_and_new() {
        let (one, two) = (mint_token(), mint_token());
        assert_ne!(one, two);
        assert!(one.reveal().starts_with("slipway_") && one.reveal().len() == 51);
        assert_eq!(hash(one.reveal()).len(), 32);
    }
}
