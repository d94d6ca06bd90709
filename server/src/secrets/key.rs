//! The key that everything sealed in the database is sealed with; it lives outside the database.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Secret;

/// The name of the key's file in the data directory.
const FILE: &str = "secret.key";

/// 256 bits, from the operating system's random source.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

/// Why there is no key to start with.
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
}

impl SecretKey {
    /// The key for `data_dir`: the one given (base64), else the one in the directory's `secret.key`, which is made on
    /// the first start with mode 0600.
    ///
    /// # Errors
    /// When the key is malformed, is open to others, or cannot be read or made.
    pub fn load_or_create(data_dir: &Path, given: Option<&Secret>) -> Result<Self, KeyError> {
        if let Some(given) = given {
            return Self::decode(given.reveal(), "SLIPWAY_SECRET_KEY");
        }
        let path = data_dir.join(FILE);
        let failed = |source| KeyError::File { path: path.clone(), source };
        match fs::metadata(&path) {
            Ok(found) => {
                let mode = found.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(KeyError::Exposed { path, mode });
                }
                let text = fs::read_to_string(&path).map_err(failed)?;
                Self::decode(&text, &path.display().to_string())
            }
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                let key = Self::random()?;
                key.write(&path).map_err(failed)?;
                Ok(key)
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// A new key.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        Ok(SecretKey(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn decode(text: &str, origin: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed { origin: origin.to_owned() };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| malformed())?;
        Ok(SecretKey(bytes.try_into().map_err(|_| malformed())?))
    }

    /// Whole or not at all: a crash between the two leaves no half-written key under the name that is read.
    fn write(&self, path: &Path) -> io::Result<()> {
        let draft = path.with_extension("key.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", STANDARD.encode(self.0))?;
        file.sync_all()?;
        fs::rename(&draft, path)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey([secret])")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let made = SecretKey::load_or_create(dir.path(), None).unwrap();
        let read = SecretKey::load_or_create(dir.path(), None).unwrap();
        assert_eq!(made.bytes(), read.bytes());
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn refuses_a_file_that_others_can_read() {
        let dir = tempfile::tempdir().unwrap();
        SecretKey::load_or_create(dir.path(), None).unwrap();
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = SecretKey::load_or_create(dir.path(), None).unwrap_err().to_string();
        assert!(refused.contains("can be read by others (mode 644)"), "{refused}");
    }

    #[test]
    fn says_what_a_given_key_must_look_like() {
        let dir = tempfile::tempdir().unwrap();
        let refused = SecretKey::load_or_create(dir.path(), Some(&Secret::new("too short"))).unwrap_err();
        assert!(refused.to_string().starts_with("the secret key from SLIPWAY_SECRET_KEY is not 32 bytes"));
    }
}
