//! Sealing: XChaCha20-Poly1305, bound to the place where the sealed value stands, so that one row's secret cannot be
//! moved into another.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};

use super::{Secret, SecretKey};

/// The format of what is stored: this byte, a 24-byte nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Where a sealed value stands: the table, and the row's id in it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table's name.
    pub table: &'static str,
    /// The row's primary key.
    pub id: &'a str,
}

impl<'a> Place<'a> {
    /// The webhook secret of a repository, by the repository's id.
    #[must_use]
    pub fn hook_secret(repository: &'a str) -> Self {
        Place { table: "repository", id: repository }
    }

    /// The password for a registry, by the registry's host.
    #[must_use]
    pub fn registry_password(host: &'a str) -> Self {
        Place { table: "registry_credential", id: host }
    }

    /// The address of a channel, by the channel's id.
    #[must_use]
    pub fn channel(id: &'a str) -> Self {
        Place { table: "channel", id }
    }

    /// The token or key for a forge, by the credential's name.
    #[must_use]
    pub fn forge_credential(name: &'a str) -> Self {
        Place { table: "forge_credential", id: name }
    }

    /// The private part of a key that signs images, by the key's id.
    #[must_use]
    pub fn signing_key(id: &'a str) -> Self {
        Place { table: "signing_key", id }
    }

    /// An answer that is kept, by the hash of its key.
    #[must_use]
    pub fn answer(key: &'a str) -> Self {
        Place { table: "kept_answer", id: key }
    }

    /// A login under way, by the name of its provider in addresses. It lies in a browser, not in a table.
    #[must_use]
    pub fn login(provider: &'a str) -> Self {
        Place { table: "login", id: provider }
    }

    /// An account elsewhere that was proved, by the name of its provider in addresses. It lies in a form.
    #[must_use]
    pub fn proved_login(provider: &'a str) -> Self {
        Place { table: "proved_login", id: provider }
    }

    /// A secret of a repository, by the whole of its row's key.
    #[must_use]
    pub fn secret(key: &'a str) -> Self {
        Place { table: "secret", id: key }
    }
}

/// Seals and opens with one key.
#[derive(Clone)]
pub struct Sealer(XChaCha20Poly1305);

/// Why a sealed value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with another key, for another row, or was changed since.
    #[error(
        "the secret of {table} {id} cannot be opened: it was sealed with another key; restore secret.key or set it anew"
    )]
    Refused {
        /// The table's name.
        table: &'static str,
        /// The row's primary key.
        id: String,
    },
    /// It is not in a form that this version knows.
    #[error("the secret of {table} {id} is in a form that this version of Slipway does not know")]
    Unknown {
        /// The table's name.
        table: &'static str,
        /// The row's primary key.
        id: String,
    },
}

impl Sealer {
    /// A sealer with this key.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Sealer(XChaCha20Poly1305::new(key.bytes().into()))
    }

    /// Seals a value for its place.
    #[must_use]
    pub fn seal(&self, place: Place<'_>, value: &Secret) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        #[expect(clippy::expect_used, reason = "the kernel's random source cannot fail after boot")]
        getrandom::fill(&mut nonce).expect("the operating system has random bytes");
        #[expect(clippy::expect_used, reason = "the cipher fails only beyond 256 GiB")]
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: value.reveal().as_bytes(), aad: &binding(place) })
            .expect("a short text can be sealed");
        [&[VERSION], &nonce[..], &sealed].concat()
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// When it was sealed with another key or for another place, was changed, or has an unknown form.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret, OpenError> {
        let unknown = || OpenError::Unknown { table: place.table, id: place.id.to_owned() };
        let (version, rest) = sealed.split_first().ok_or_else(unknown)?;
        if *version != VERSION || rest.len() < NONCE_BYTES {
            return Err(unknown());
        }
        let (nonce, ciphertext) = rest.split_at(NONCE_BYTES);
        let opened = self
            .0
            .decrypt(XNonce::from_slice(nonce), Payload { msg: ciphertext, aad: &binding(place) })
            .map_err(|_| OpenError::Refused { table: place.table, id: place.id.to_owned() })?;
        String::from_utf8(opened).map(Secret::new).map_err(|_| unknown())
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer([secret])")
    }
}

/// The additional data: table, id and version, each with its length, so that no two places share one text.
fn binding(place: Place<'_>) -> Vec<u8> {
    format!("{}:{}{}:{}v{VERSION}", place.table.len(), place.table, place.id.len(), place.id).into_bytes()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    const HERE: Place<'_> = Place { table: "repository", id: "one" };

    fn sealer() -> Sealer {
        Sealer::new(&SecretKey::random().unwrap())
    }

    #[test]
    fn opens_what_it_sealed() {
        let sealer = sealer();
        let sealed = sealer.seal(HERE, &Secret::new("hunter2"));
        assert!(!sealed.windows(7).any(|window| window == b"hunter2"));
        assert_eq!(sealer.open(HERE, &sealed).unwrap().reveal(), "hunter2");
        assert_ne!(sealed, sealer.seal(HERE, &Secret::new("hunter2")), "a nonce is used once");
    }

    #[test]
    fn a_secret_does_not_open_in_another_row() {
        let sealer = sealer();
        let sealed = sealer.seal(HERE, &Secret::new("hunter2"));
        let moved = sealer.open(Place { table: "repository", id: "two" }, &sealed);
        assert!(matches!(moved, Err(OpenError::Refused { .. })));
    }

    #[test]
    fn a_changed_or_foreign_secret_does_not_open() {
        let (sealer, other) = (sealer(), sealer());
        let mut sealed = sealer.seal(HERE, &Secret::new("hunter2"));
        assert!(matches!(other.open(HERE, &sealed), Err(OpenError::Refused { .. })));
        *sealed.last_mut().unwrap() ^= 1;
        assert!(matches!(sealer.open(HERE, &sealed), Err(OpenError::Refused { .. })));
        assert!(matches!(sealer.open(HERE, b"\x09nonsense"), Err(OpenError::Unknown { .. })));
        assert!(matches!(sealer.open(HERE, b""), Err(OpenError::Unknown { .. })));
    }
}
