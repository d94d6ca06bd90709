//! Sealing: XChaCha20-Poly1305, bound to the place where the sealed value stands, so that one row's secret cannot be
//! moved into another.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};

use super::{KeyId, Secret, SecretKey};

/// The formats of what is stored. The older one: this byte, a nonce, the ciphertext with its tag.
const NAMELESS: u8 = 1;
/// The one that is written: this byte, the id of the key, a nonce, the ciphertext with its tag.
const NAMED: u8 = 2;
const NONCE_BYTES: usize = 24;

/// What is sealed. Each kind has its column, which a rotation of the key seals anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// The secret of a repository's webhook.
    HookSecret,
    /// The password for a registry.
    RegistryPassword,
    /// The address of a channel.
    Channel,
    /// The token or key for a forge.
    ForgeCredential,
    /// The private part of a key that signs images.
    SigningKey,
    /// An answer that is kept for who sends again.
    Answer,
    /// A secret of a repository.
    Secret,
    /// A secret of the instance.
    InstanceSecret,
}

impl Sealed {
    /// All of them.
    pub const ALL: [Sealed; 8] = [
        Sealed::HookSecret,
        Sealed::RegistryPassword,
        Sealed::Channel,
        Sealed::ForgeCredential,
        Sealed::SigningKey,
        Sealed::Answer,
        Sealed::Secret,
        Sealed::InstanceSecret,
    ];

    /// What a sealed value is bound to, besides its row: never changed, or nothing opens any more.
    fn name(self) -> &'static str {
        match self {
            Sealed::HookSecret => "repository",
            Sealed::RegistryPassword => "registry_credential",
            Sealed::Channel => "channel",
            Sealed::ForgeCredential => "forge_credential",
            Sealed::SigningKey => "signing_key",
            Sealed::Answer => "kept_answer",
            Sealed::Secret => "secret",
            Sealed::InstanceSecret => "instance_secret",
        }
    }
}

/// Where a sealed value stands: what it is bound to, and the row's id.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table's name, or the word for what lies in none.
    table: &'static str,
    /// The row's primary key.
    id: &'a str,
}

impl<'a> Place<'a> {
    /// That of a value in a table, by its row's key.
    #[must_use]
    pub fn of(kind: Sealed, id: &'a str) -> Self {
        Place { table: kind.name(), id }
    }

    /// The webhook secret of a repository, by the repository's id.
    #[must_use]
    pub fn hook_secret(repository: &'a str) -> Self {
        Place::of(Sealed::HookSecret, repository)
    }

    /// The password for a registry, by the registry's host.
    #[must_use]
    pub fn registry_password(host: &'a str) -> Self {
        Place::of(Sealed::RegistryPassword, host)
    }

    /// The address of a channel, by the channel's id.
    #[must_use]
    pub fn channel(id: &'a str) -> Self {
        Place::of(Sealed::Channel, id)
    }

    /// The token or key for a forge, by the credential's name.
    #[must_use]
    pub fn forge_credential(name: &'a str) -> Self {
        Place::of(Sealed::ForgeCredential, name)
    }

    /// The private part of a key that signs images, by the key's id.
    #[must_use]
    pub fn signing_key(id: &'a str) -> Self {
        Place::of(Sealed::SigningKey, id)
    }

    /// An answer that is kept, by the hash of its key.
    #[must_use]
    pub fn answer(key: &'a str) -> Self {
        Place::of(Sealed::Answer, key)
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
        Place::of(Sealed::Secret, key)
    }

    /// A secret of the instance, by its name.
    #[must_use]
    pub fn instance_secret(name: &'a str) -> Self {
        Place::of(Sealed::InstanceSecret, name)
    }
}

/// Seals with one key, and opens with all that it has. Clones share their keys.
#[derive(Clone)]
pub struct Sealer(Arc<RwLock<Ciphers>>);

#[derive(Clone)]
struct Ciphers {
    seals: KeyId,
    all: Vec<(KeyId, XChaCha20Poly1305)>,
}

/// Why a sealed value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with another key, for another row, or was changed since.
    #[error(
        "the secret of {table} {id} cannot be opened: it was sealed with another key; restore secret.key or set it anew"
    )]
    Refused {
        /// What it is.
        table: &'static str,
        /// The row's primary key.
        id: String,
    },
    /// It is not in a form that this version knows.
    #[error("the secret of {table} {id} is in a form that this version of Slipway does not know")]
    Unknown {
        /// What it is.
        table: &'static str,
        /// The row's primary key.
        id: String,
    },
}

impl Sealer {
    /// A sealer with this key.
    #[must_use]
    pub fn new(key: &SecretKey) -> Self {
        Self::of(std::slice::from_ref(key))
    }

    /// A sealer with these keys, of which the first one seals; there is at least one.
    pub(super) fn of(keys: &[SecretKey]) -> Self {
        let all: Vec<_> = keys.iter().map(|key| (key.id(), cipher(key))).collect();
        #[expect(clippy::expect_used, reason = "a keyring is never empty")]
        let seals = all.first().expect("a key").0;
        Sealer(Arc::new(RwLock::new(Ciphers { seals, all })))
    }

    /// The key that it seals with.
    #[must_use]
    pub fn seals_with(&self) -> KeyId {
        self.ciphers().seals
    }

    /// Seals with this key from now on; false where it does not have it.
    pub(super) fn seal_with(&self, key: KeyId) -> bool {
        let mut ciphers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_held = ciphers.all.iter().any(|(id, _)| *id == key);
        if is_held {
            ciphers.seals = key;
        }
        is_held
    }

    /// Opens with this key as well.
    pub(super) fn add(&self, key: &SecretKey) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).all.push((key.id(), cipher(key)));
    }

    /// Opens no more with these keys, unless it seals with one.
    pub(super) fn forget(&self, keys: &[KeyId]) {
        let mut ciphers = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let seals = ciphers.seals;
        ciphers.all.retain(|(id, _)| *id == seals || !keys.contains(id));
    }

    /// Seals a value for its place.
    #[must_use]
    pub fn seal(&self, place: Place<'_>, value: &Secret) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        #[expect(clippy::expect_used, reason = "the kernel's random source cannot fail after boot")]
        getrandom::fill(&mut nonce).expect("the operating system has random bytes");
        let ciphers = self.ciphers();
        let header = Header { key: Some(ciphers.seals), nonce };
        let payload = Payload { msg: value.reveal().as_bytes(), aad: &binding(place, header.key) };
        #[expect(clippy::expect_used, reason = "the cipher fails only beyond 256 GiB, and the key that seals is there")]
        let sealed = ciphers
            .all
            .iter()
            .find(|(id, _)| *id == ciphers.seals)
            .and_then(|(_, cipher)| cipher.encrypt(XNonce::from_slice(&nonce), payload).ok())
            .expect("a short text can be sealed");
        [&[NAMED], &ciphers.seals.bytes()[..], &nonce, &sealed].concat()
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// When it was sealed with another key or for another place, was changed, or has an unknown form.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret, OpenError> {
        let unknown = || OpenError::Unknown { table: place.table, id: place.id.to_owned() };
        let (header, ciphertext) = Header::of(sealed).ok_or_else(unknown)?;
        let ciphers = self.ciphers();
        let aad = binding(place, header.key);
        // What names no key is of a time when there was one, which may be any of these.
        let mut fitting = ciphers.all.iter().filter(|(id, _)| header.key.is_none_or(|key| key == *id));
        let opened = fitting.find_map(|(_, cipher)| {
            cipher.decrypt(XNonce::from_slice(&header.nonce), Payload { msg: ciphertext, aad: &aad }).ok()
        });
        let refused = || OpenError::Refused { table: place.table, id: place.id.to_owned() };
        String::from_utf8(opened.ok_or_else(refused)?).map(Secret::new).map_err(|_| unknown())
    }

    /// Whether a value was sealed with the key that this seals with.
    #[must_use]
    pub fn is_of_today(&self, sealed: &[u8]) -> bool {
        Header::of(sealed).is_some_and(|(header, _)| header.key == Some(self.seals_with()))
    }

    fn ciphers(&self) -> RwLockReadGuard<'_, Ciphers> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer([secret])")
    }
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.bytes().into())
}

/// What stands before the ciphertext.
struct Header {
    /// None where the value is of a time with one key.
    key: Option<KeyId>,
    nonce: [u8; NONCE_BYTES],
}

impl Header {
    /// The header of a sealed value, and the rest.
    fn of(sealed: &[u8]) -> Option<(Header, &[u8])> {
        let (key, rest) = match sealed.split_first()? {
            (&NAMELESS, rest) => (None, rest),
            (&NAMED, rest) => {
                let (id, rest) = rest.split_first_chunk()?;
                (Some(KeyId::of(*id)), rest)
            }
            _ => return None,
        };
        let (nonce, ciphertext) = rest.split_first_chunk()?;
        Some((Header { key, nonce: *nonce }, ciphertext))
    }
}

/// The additional data: kind, id, version and key, each with its length, so that no two places share one text.
fn binding(place: Place<'_>, key: Option<KeyId>) -> Vec<u8> {
    let (kind, id) = (place.table, place.id);
    let form = key.map_or(format!("v{NAMELESS}"), |key| format!("v{NAMED}{key}"));
    format!("{}:{kind}{}:{id}{form}", kind.len(), id.len()).into_bytes()
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
        let moved = sealer.open(Place::of(Sealed::HookSecret, "two"), &sealed);
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

    /// As values were sealed before they named their key.
    fn nameless(key: &SecretKey, place: Place<'_>, value: &str) -> Vec<u8> {
        let nonce = [7; NONCE_BYTES];
        let payload = Payload { msg: value.as_bytes(), aad: &binding(place, None) };
        let sealed = cipher(key).encrypt(XNonce::from_slice(&nonce), payload).unwrap();
        [&[NAMELESS], &nonce[..], &sealed].concat()
    }

    #[test]
    fn two_keys_open_and_one_seals() {
        let [old, new] = [(); 2].map(|()| SecretKey::random().unwrap());
        let (before, both, after) = (Sealer::new(&old), Sealer::of(&[new.clone(), old.clone()]), Sealer::new(&new));
        let values = [before.seal(HERE, &Secret::new("hunter2")), nameless(&old, HERE, "hunter2")];
        for sealed in &values {
            assert_eq!(both.open(HERE, sealed).unwrap().reveal(), "hunter2");
            assert!(!both.is_of_today(sealed));
            assert!(after.open(HERE, sealed).is_err());
        }
        let anew = both.seal(HERE, &Secret::new("hunter2"));
        assert!(both.is_of_today(&anew) && after.open(HERE, &anew).is_ok() && before.open(HERE, &anew).is_err());

        assert!(both.seal_with(old.id()));
        assert!(before.open(HERE, &both.seal(HERE, &Secret::new("hunter2"))).is_ok());
        both.forget(&[old.id(), new.id()]);
        assert!(both.open(HERE, &anew).is_err(), "a key that was forgotten opens nothing");
        assert!(both.open(HERE, &values[0]).is_ok(), "what seals is not forgotten");
        assert!(!both.seal_with(new.id()));
    }

    #[test]
    fn a_value_cannot_be_made_to_name_another_key() {
        let [one, other] = [(); 2].map(|()| SecretKey::random().unwrap());
        let both = Sealer::of(&[one, other.clone()]);
        let mut sealed = both.seal(HERE, &Secret::new("hunter2"));
        sealed[1..5].copy_from_slice(&other.id().bytes());
        assert!(matches!(both.open(HERE, &sealed), Err(OpenError::Refused { .. })));
        let nameless = [&[NAMELESS], &sealed[5..]].concat();
        assert!(matches!(both.open(HERE, &nameless), Err(OpenError::Refused { .. })));
    }
}
