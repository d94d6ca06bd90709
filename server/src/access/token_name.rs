//! What a token may be called: its name is its bearer's, wherever somebody's word counts.

use crate::environments::same_person;

/// The longest name, in characters.
const LONGEST: usize = 100;
/// Who does what Slipway does by itself, in releases and in the audit.
const SLIPWAY: &str = "slipway";

/// Why a token may not have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenNameError {
    /// It is empty, too long, or holds control characters.
    #[error("The name must have 1 to {LONGEST} characters.")]
    Unfit,
    /// Its bearer could pass for Slipway, and so approve what they asked for themselves.
    #[error("The name {SLIPWAY} is kept for what Slipway does by itself: choose another one.")]
    Reserved,
    /// Two people of one name would be one wherever somebody's word counts.
    #[error("Somebody, or another token, has that name: choose another one, or revoke that token first.")]
    Taken,
}

/// Whether a token may be called so, beside those whose names are `taken`.
///
/// # Errors
/// [`TokenNameError`] says why not.
pub fn check_token_name(name: &str, taken: &[String]) -> Result<(), TokenNameError> {
    if !(1..=LONGEST).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(TokenNameError::Unfit);
    }
    if same_person(name, SLIPWAY) {
        return Err(TokenNameError::Reserved);
    }
    if taken.iter().any(|other| same_person(name, other)) { Err(TokenNameError::Taken) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::{TokenNameError, check_token_name};

    #[test]
    fn nobody_passes_for_slipway() {
        for name in ["slipway", "Slipway", " SLIPWAY "] {
            assert_eq!(check_token_name(name, &["ana".to_owned()]), Err(TokenNameError::Reserved), "{name:?}");
        }
        for name in ["", "a\nb", &"x".repeat(101)] {
            assert_eq!(check_token_name(name, &["ana".to_owned()]), Err(TokenNameError::Unfit), "{name:?}");
        }
        assert_eq!(check_token_name("ANA ", &["ana".to_owned()]), Err(TokenNameError::Taken), "one name, one person");
        for name in ["ci", "slipway-bot", "Ana Gómez", &"x".repeat(100)] {
            assert_eq!(check_token_name(name, &["ana".to_owned()]), Ok(()), "{name:?}");
        }
    }
}
