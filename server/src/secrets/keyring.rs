//! The keys that this server has, and where they come from.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{KeyError, KeyId, Sealer, Secret, SecretKey};

/// The name of the keys' file in the data directory.
const FILE: &str = "secret.key";

/// The keys of this server. The first one is what a rotation goes to, the others open what was sealed before. Clones share
/// their state.
#[derive(Debug, Clone)]
pub struct Keyring(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    origin: Origin,
    held: Mutex<Vec<SecretKey>>,
    sealer: Sealer,
}

#[derive(Debug)]
enum Origin {
    /// A file with a key in each line.
    File(PathBuf),
    /// `SLIPWAY_SECRET_KEY` and `SLIPWAY_SECRET_KEY_PREVIOUS`.
    Given,
}

impl Keyring {
    /// The keys for `data_dir`: those given (in base64, the previous ones parted by spaces or commas), else those of the
    /// directory's `secret.key`, which is made on the first start with mode 0600.
    ///
    /// # Errors
    /// When a key is malformed, is open to others, or cannot be read or made.
    pub fn load_or_create(
        data_dir: &Path,
        given: Option<&Secret>,
        previous: Option<&Secret>,
    ) -> Result<Self, KeyError> {
        let path = data_dir.join(FILE);
        let (origin, held) = match given {
            Some(given) => (Origin::Given, of_variables(given, previous)?),
            None => {
                let held = match read(&path)? {
                    Some(held) => held,
                    None => {
                        let made = vec![SecretKey::random()?];
                        write(&path, &made)?;
                        made
                    }
                };
                (Origin::File(path), held)
            }
        };
        let sealer = Sealer::of(&held);
        Ok(Keyring(Arc::new(Shared { origin, held: Mutex::new(held), sealer })))
    }

    /// What seals and opens with these keys.
    #[must_use]
    pub fn sealer(&self) -> Sealer {
        self.0.sealer.clone()
    }

    /// The ids of the keys, the first one first.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.held().iter().map(SecretKey::id).collect()
    }

    /// Where the keys are, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.0.origin {
            Origin::File(path) => path.display().to_string(),
            Origin::Given => "SLIPWAY_SECRET_KEY".to_owned(),
        }
    }

    /// The key to rotate to from `current`: the first one, if that is another, or a new one, which is in the file before
    /// this returns, so that nothing is ever sealed with a key that only memory holds.
    ///
    /// # Errors
    /// When the keys are given and there is no other, or the file cannot be written.
    pub fn next(&self, current: KeyId) -> Result<KeyId, KeyError> {
        let mut held = self.held();
        if let Some(first) = held.first().map(SecretKey::id).filter(|first| *first != current) {
            return Ok(first);
        }
        let Origin::File(path) = &self.0.origin else { return Err(KeyError::NoOther) };
        let new = SecretKey::random()?;
        let with_new: Vec<SecretKey> = std::iter::once(new.clone()).chain(held.iter().cloned()).collect();
        write(path, &with_new)?;
        self.0.sealer.add(&new);
        *held = with_new;
        Ok(new.id())
    }

    /// Forgets keys, in memory and in the file: nothing is sealed with them any more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget(&self, retired: &[KeyId]) -> Result<(), KeyError> {
        let mut held = self.held();
        let left: Vec<SecretKey> = held.iter().filter(|key| !retired.contains(&key.id())).cloned().collect();
        if left.len() == held.len() || left.is_empty() {
            return Ok(());
        }
        if let Origin::File(path) = &self.0.origin {
            write(path, &left)?;
        }
        self.0.sealer.forget(retired);
        *held = left;
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Vec<SecretKey>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_variables(given: &Secret, previous: Option<&Secret>) -> Result<Vec<SecretKey>, KeyError> {
    let mut held = vec![SecretKey::decode(given.reveal(), "SLIPWAY_SECRET_KEY")?];
    let previous = previous.map(Secret::reveal).unwrap_or_default();
    for text in previous.split([',', ' ', '\n']).filter(|text| !text.is_empty()) {
        held.push(SecretKey::decode(text, "SLIPWAY_SECRET_KEY_PREVIOUS")?);
    }
    Ok(held)
}

fn read(path: &Path) -> Result<Option<Vec<SecretKey>>, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let found = match fs::metadata(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(failed)?,
    };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let (text, origin) = (fs::read_to_string(path).map_err(failed)?, path.display().to_string());
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let held = lines.map(|line| SecretKey::decode(line, &origin)).collect::<Result<Vec<_>, _>>()?;
    if held.is_empty() { Err(KeyError::Malformed { origin }) } else { Ok(Some(held)) }
}

/// Whole or not at all, and for good before this returns: whatever moment the machine fails in, the file that is found
/// then holds the keys of before or these.
fn write(path: &Path, keys: &[SecretKey]) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let written = || {
        let draft = path.with_extension("key.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        for key in keys {
            writeln!(file, "{}", key.encode())?;
        }
        file.sync_all()?;
        fs::rename(&draft, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(failed)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn from_file(dir: &Path) -> Keyring {
        Keyring::load_or_create(dir, None, None).unwrap()
    }

    #[test]
    fn a_key_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(from_file(dir.path()).ids(), from_file(dir.path()).ids());
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        from_file(dir.path());
        let path = dir.path().join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Keyring::load_or_create(dir.path(), None, None).unwrap_err().to_string();
        assert!(refused.contains("can be read by others (mode 644)"), "{refused}");
    }

    #[test]
    fn what_a_given_key_must_look_like_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let short = Secret::new("too short");
        let refused = Keyring::load_or_create(dir.path(), Some(&short), None).unwrap_err();
        assert!(refused.to_string().starts_with("the secret key from SLIPWAY_SECRET_KEY is not 32 bytes"));
        let whole = Secret::new(SecretKey::random().unwrap().encode());
        let refused = Keyring::load_or_create(dir.path(), Some(&whole), Some(&short)).unwrap_err();
        assert!(refused.to_string().starts_with("the secret key from SLIPWAY_SECRET_KEY_PREVIOUS is not"));
    }

    #[test]
    fn a_new_key_stands_in_the_file_beside_the_old_one_until_that_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let keyring = from_file(dir.path());
        let old = keyring.ids()[0];
        let new = keyring.next(old).unwrap();
        assert_eq!(from_file(dir.path()).ids(), [new, old]);
        assert_eq!(from_file(dir.path()).next(old).unwrap(), new, "a rotation that did not begin begins with that one");
        keyring.forget(&[old]).unwrap();
        assert_eq!((keyring.ids(), from_file(dir.path()).ids()), (vec![new], vec![new]));
    }

    #[test]
    fn given_keys_are_rotated_by_whoever_gives_them() {
        let dir = tempfile::tempdir().unwrap();
        let [new, old] = [(); 2].map(|()| SecretKey::random().unwrap());
        let text = |key: &SecretKey| Secret::new(key.encode());
        let alone = Keyring::load_or_create(dir.path(), Some(&text(&old)), None).unwrap();
        assert!(matches!(alone.next(old.id()), Err(KeyError::NoOther)));
        let both = Keyring::load_or_create(dir.path(), Some(&text(&new)), Some(&text(&old))).unwrap();
        assert_eq!(both.next(old.id()).unwrap(), new.id());
    }
}
