//! Signatures on images, as cosign makes and checks them: which keys there are, what is signed, and what holds.

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What stands before the point of a P-256 key in its usual form (RFC 5480, `SubjectPublicKeyInfo`).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point of P-256.
const POINT_BYTES: usize = 65;
const UNCOMPRESSED: u8 = 4;
/// The longest text of a key, in bytes.
const LONGEST_KEY: usize = 1_000;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// What a payload says that it is: <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>
const KIND: &str = "cosign container image signature";

/// A key that signatures are checked with: ECDSA on P-256, as cosign makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: Vec<u8>,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not in the form of a public key.
    #[error("this is no public key: “{BEGIN}” was expected, as `cosign public-key` prints it")]
    NotPem,
    /// It is a key of another kind.
    #[error("this is no ECDSA key on the curve P-256, which cosign makes: `cosign generate-key-pair` makes one")]
    OtherKind,
}

impl PublicKey {
    /// The key with this uncompressed point.
    ///
    /// # Errors
    /// When it is none of P-256.
    pub fn of_point(point: &[u8]) -> Result<Self, KeyError> {
        let is_point = point.len() == POINT_BYTES && point.first() == Some(&UNCOMPRESSED);
        if is_point { Ok(PublicKey { point: point.to_vec() }) } else { Err(KeyError::OtherKind) }
    }

    fn der(&self) -> Vec<u8> {
        [&SPKI[..], &self.point].concat()
    }

    /// A short name for people: the beginning of its SHA-256.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Sha256::digest(self.der()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point).verify(message, signature).is_ok()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let body = text.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
        let body = body.filter(|_| text.len() <= LONGEST_KEY).ok_or(KeyError::NotPem)?;
        let digits: String = body.split_whitespace().collect();
        let der = BASE64.decode(digits).map_err(|_| KeyError::NotPem)?;
        PublicKey::of_point(der.strip_prefix(&SPKI[..]).ok_or(KeyError::OtherKind)?)
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{BEGIN}")?;
        let digits = BASE64.encode(self.der());
        let (first, rest) = digits.split_at(digits.len().min(64));
        writeln!(f, "{first}\n{rest}\n{END}")
    }
}

/// A signature on an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// What was signed: JSON that names the image's digest.
    pub payload: String,
    /// The signature over that, in base64.
    pub signature: String,
}

/// What is asked to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureRequest {
    /// The image's name without a tag.
    pub image: String,
    /// The digest that the registry confirmed.
    pub digest: String,
    /// The key that is to sign, as PEM: the one that the job's lease told.
    pub key: String,
}

/// The text that is signed for an image, with what else is said of it.
#[must_use]
pub fn payload(asked: &SignatureRequest, optional: &Value) -> String {
    let critical = json!({
        "identity": {"docker-reference": asked.image},
        "image": {"docker-manifest-digest": asked.digest},
        "type": KIND,
    });
    json!({"critical": critical, "optional": optional}).to_string()
}

impl Signature {
    /// Whether one of these keys has signed this very digest.
    #[must_use]
    pub fn is_on(&self, digest: &str, keys: &[PublicKey]) -> bool {
        let Ok(said) = serde_json::from_str::<Value>(&self.payload) else { return false };
        let critical = &said["critical"];
        if critical["type"] != KIND || critical["image"]["docker-manifest-digest"] != digest {
            return false;
        }
        let Ok(signature) = BASE64.decode(&self.signature) else { return false };
        keys.iter().any(|key| key.has_signed(self.payload.as_bytes(), &signature))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use ring::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
    };

    use super::*;

    fn pair() -> (EcdsaKeyPair, PublicKey) {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        let key = PublicKey::of_point(pair.public_key().as_ref()).unwrap();
        (pair, key)
    }

    fn signed(pair: &EcdsaKeyPair, payload: String) -> Signature {
        let signature = BASE64.encode(pair.sign(&SystemRandom::new(), payload.as_bytes()).unwrap());
        Signature { payload, signature }
    }

    #[test]
    fn a_signature_holds_for_its_digest_its_text_and_its_key_alone() {
        let ((pair, key), (_, other)) = (self::pair(), self::pair());
        let asked =
            SignatureRequest { image: "reg/web".to_owned(), digest: "sha256:aa".to_owned(), key: key.to_string() };
        let signature = signed(&pair, payload(&asked, &json!({"commit": "c0ffee"})));
        assert!(signature.is_on("sha256:aa", &[other.clone(), key.clone()]));
        assert!(!signature.is_on("sha256:bb", std::slice::from_ref(&key)), "another digest");
        assert!(!signature.is_on("sha256:aa", &[other]), "another key");
        let changed = Signature { payload: signature.payload.replace("c0ffee", "c0ffef"), ..signature };
        assert!(!changed.is_on("sha256:aa", std::slice::from_ref(&key)), "another text");
        // What the key signed for another purpose names the digest and is no signature on the image.
        let odd = signed(&pair, payload(&asked, &Value::Null).replace(KIND, "something else"));
        assert!(!odd.is_on("sha256:aa", &[key]));
    }

    #[test]
    fn a_key_is_read_as_it_is_written_and_no_other_text_is_one() {
        let (_, key) = pair();
        assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key.clone()));
        assert_eq!(key.fingerprint().len(), 16);
        assert_eq!("server".parse::<PublicKey>(), Err(KeyError::NotPem));
        let other = format!("{BEGIN}\n{}\n{END}", BASE64.encode([0_u8; 91]));
        assert_eq!(other.parse::<PublicKey>(), Err(KeyError::OtherKind));
    }
}
