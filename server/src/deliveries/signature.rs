//! The signature of a GitHub delivery: HMAC-SHA256 over the raw body, `X-Hub-Signature-256: sha256=<hex>`.
//!
//! Source: GitHub's documentation, "Validating webhook deliveries".

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::secrets::Secret;

/// The header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

/// The signature of a body, as GitHub writes it into the header.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    let digest = keyed(secret, body).finalize().into_bytes();
    format!("sha256={digest:x}")
}

/// Whether `header` is the signature of `body`.
///
/// The same work is done whatever the header holds, and the comparison takes the same time wherever they differ.
#[must_use]
pub fn verify(secret: &Secret, body: &[u8], header: Option<&str>) -> bool {
    let claimed = header.and_then(|value| value.strip_prefix("sha256=")).and_then(decode);
    let matches = keyed(secret, body).verify_slice(&claimed.unwrap_or_default()).is_ok();
    matches && claimed.is_some()
}

fn keyed(secret: &Secret, body: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).expect("a key of any length");
    mac.update(body);
    mac
}

fn decode(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of GitHub's documentation.
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secret() -> Secret {
        Secret::new("It's a Secret to Everybody")
    }

    #[test]
    fn agrees_with_githubs_documented_vector() {
        assert_eq!(sign(&secret(), b"Hello, World!"), SIGNATURE);
        assert!(verify(&secret(), b"Hello, World!", Some(SIGNATURE)));
    }

    #[test]
    fn refuses_everything_else() {
        assert!(!verify(&secret(), b"Hello, World?", Some(SIGNATURE)), "another body");
        assert!(!verify(&Secret::new("other"), b"Hello, World!", Some(SIGNATURE)), "another secret");
        assert!(!verify(&secret(), b"Hello, World!", None), "no header");
        for header in ["", "sha256=", "sha256=75", &SIGNATURE[7..], "sha1=0000", &SIGNATURE.replace('7', "g")] {
            assert!(!verify(&secret(), b"Hello, World!", Some(header)), "{header}");
        }
    }
}
