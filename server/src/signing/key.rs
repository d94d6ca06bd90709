//! One key: made, and signed with.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use slipway_runner::signing::PublicKey;

use crate::secrets::Secret;

/// That a key cannot be made or used: it was changed in the database, or the system has no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used; remove it and make a new one with `slipway signing create`")]
pub(crate) struct Unusable;

/// Makes a key pair: what is public of it, and what is to be sealed.
pub(super) fn make() -> Result<(PublicKey, Secret), Unusable> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    let document = document.map_err(|_| Unusable)?;
    let secret = Secret::new(BASE64.encode(document.as_ref()));
    let public =
        pair(&secret).and_then(|pair| PublicKey::of_point(pair.public_key().as_ref()).map_err(|_| Unusable))?;
    Ok((public, secret))
}

/// The signature over a text, in base64.
pub(crate) fn sign(key: &Secret, text: &str) -> Result<String, Unusable> {
    let signature = pair(key)?.sign(&SystemRandom::new(), text.as_bytes()).map_err(|_| Unusable)?;
    Ok(BASE64.encode(signature))
}

fn pair(key: &Secret) -> Result<EcdsaKeyPair, Unusable> {
    let document = BASE64.decode(key.reveal()).map_err(|_| Unusable)?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &document, &SystemRandom::new()).map_err(|_| Unusable)
}
