//! Passwords: which are taken, and their hashes. One costs 19 MiB of memory and some time, so that few are worked on at once.

use std::{sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString},
};
use tokio::sync::Semaphore;

use crate::{environments::same_person, secrets::Secret};

/// How many passwords are worked on at once.
const AT_ONCE: usize = 2;
/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// The fewest characters.
const SHORTEST: usize = 12;
/// The most bytes.
const LONGEST: usize = 256;
/// What is tried first of what is long enough, in lower case and without what people add to it.
const COMMON: [&str; 24] = [
    "password",
    "passwort",
    "contraseña",
    "motdepasse",
    "qwerty",
    "qwertyuiop",
    "asdfghjkl",
    "letmein",
    "welcome",
    "admin",
    "administrator",
    "iloveyou",
    "football",
    "baseball",
    "princess",
    "sunshine",
    "dragon",
    "monkey",
    "superman",
    "batman",
    "trustno",
    "changeme",
    "slipway",
    "correcthorsebatterystaple",
];

/// Why a password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It is quickly guessed by trying all.
    #[error("A password has at least {SHORTEST} characters; several words are easy to remember.")]
    Short,
    /// Nobody types so much.
    #[error("A password has at most {LONGEST} bytes.")]
    Long,
    /// It is what is tried first.
    #[error(
        "This password is among those that are tried first: it is common, repeats itself, or is the name. Choose another one."
    )]
    Common,
    /// Too many others log in at this moment.
    #[error("Too many people log in at this moment; try again.")]
    Busy,
}

/// Whether somebody of this name may have a password.
///
/// # Errors
/// Why not.
pub fn check_password(name: &str, password: &str) -> Result<(), PasswordError> {
    if password.len() > LONGEST {
        return Err(PasswordError::Long);
    }
    if password.chars().count() < SHORTEST {
        return Err(PasswordError::Short);
    }
    let bare: String = password.to_lowercase().chars().filter(|character| character.is_alphabetic()).collect();
    let different = password.chars().collect::<std::collections::BTreeSet<_>>().len();
    let is_row = password.as_bytes().windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1) || pair == b"90");
    let is_name = same_person(password, name) || (!bare.is_empty() && bare == name.trim().to_lowercase());
    if different < 5 || is_row || is_name || COMMON.contains(&bare.as_str()) || is_doubled(&bare) {
        return Err(PasswordError::Common);
    }
    Ok(())
}

/// Whether it is a common word twice or more.
fn is_doubled(bare: &str) -> bool {
    COMMON.iter().any(|word| bare.len() > word.len() && bare.replace(word, "").is_empty())
}

/// Works on passwords, a few at once.
#[derive(Debug, Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        Passwords(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Passwords {
    /// The hash to keep of a password.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when its turn does not come.
    pub async fn hash(&self, password: &Secret) -> Result<String, PasswordError> {
        let password = password.clone();
        self.work(move || hashed(password.reveal())).await?.ok_or(PasswordError::Busy)
    }

    /// Whether it is the password of the hash. Without a hash it is none, and takes as long to tell.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when its turn does not come.
    pub async fn holds(&self, password: &Secret, hash: Option<String>) -> Result<bool, PasswordError> {
        if password.reveal().len() > LONGEST {
            return Ok(false);
        }
        let password = password.clone();
        self.work(move || match hash {
            Some(hash) => PasswordHash::new(&hash)
                .is_ok_and(|hash| argon2().verify_password(password.reveal().as_bytes(), &hash).is_ok()),
            None => {
                // The time that it takes is all that is wanted.
                drop(hashed(password.reveal()));
                false
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0).acquire_owned()).await;
        let turn = turn.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|_| PasswordError::Busy)
    }
}

/// As OWASP's Password Storage Cheat Sheet has it: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None).unwrap_or_default())
}

fn hashed(password: &str) -> Option<String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).ok()?;
    let salt = SaltString::encode_b64(&salt).ok()?;
    Some(argon2().hash_password(password.as_bytes(), &salt).ok()?.to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_first_is_not_taken() {
        for short in ["", "short", "elevenchars"] {
            assert_eq!(check_password("ana", short), Err(PasswordError::Short), "{short}");
        }
        let (long, row) = ("é".repeat(129), "123456789012");
        assert_eq!(check_password("ana", &long), Err(PasswordError::Long));
        for common in ["Password1234!", "aaaaaaaaaaaaaaa", row, "abababababab", "qwertyqwerty1", "ana.maria.gomez"] {
            assert_eq!(check_password("Ana.Maria.Gomez", common), Err(PasswordError::Common), "{common}");
        }
        for good in ["four blue boats tonight", "xK9#mQ2$vL5n", "日本語のパスワードは長い方がいい"] {
            assert_eq!(check_password("ana", good), Ok(()), "{good}");
        }
    }

    #[tokio::test]
    async fn a_hash_holds_for_its_password_alone() {
        let (passwords, right) = (Passwords::default(), Secret::new("four blue boats tonight"));
        let hash = passwords.hash(&right).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(passwords.hash(&right).await.unwrap(), hash, "each has a salt of its own");
        assert!(passwords.holds(&right, Some(hash.clone())).await.unwrap());
        assert!(!passwords.holds(&Secret::new("four blue boats"), Some(hash)).await.unwrap());
        assert!(!passwords.holds(&right, None).await.unwrap());
        assert!(!passwords.holds(&right, Some("nonsense".to_owned())).await.unwrap());
    }
}
