//! Bearer tokens and session values: random, shown once, known to the database by their SHA-256 alone.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::{ids::RunnerId, secrets::Secret};

/// What every token starts with, so that a leaked one is recognised by people and by secret scanners.
const PREFIX: &str = "slipway_";
/// What follows it in a runner's.
const RUNNER: &str = "runner";

/// A new token with 256 random bits.
#[must_use]
pub fn mint_token() -> Secret {
    Secret::new(format!("{PREFIX}{}", random_text()))
}

/// A new token of a runner. It tells its bearer who it is: a runner knows its identity before it reaches any server.
#[must_use]
pub fn mint_runner_token(runner: &RunnerId) -> Secret {
    Secret::new(format!("{PREFIX}{RUNNER}_{runner}_{}", random_text()))
}

/// The runner that a token says it is of. What it may do is the database's to say.
#[must_use]
pub fn runner_of(token: &str) -> Option<RunnerId> {
    let (runner, _) = token.strip_prefix(PREFIX)?.strip_prefix(RUNNER)?.strip_prefix('_')?.split_once('_')?;
    runner.parse().ok()
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

    #[test]
    fn a_runner_s_token_says_whose_it_is() {
        let runner = RunnerId::new();
        assert_eq!(runner_of(mint_runner_token(&runner).reveal()), Some(runner));
        assert_eq!(runner_of(mint_token().reveal()), None);
        assert_eq!(runner_of("slipway_runner_me_x"), None);
    }
}
