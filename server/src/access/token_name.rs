//! What a token may be called: its name is its bearer's, wherever somebody's word counts.

use crate::environments::same_person;

/// The longest name, in characters.
const LONGEST: usize = 100;
/// Who does what Slipway does by itself, in releases and in the audit.
const SLIPWAY: &str = "slipway";
/// Nobody's names: what Slipway does, what is done on its machine, and what nobody known does.
const KEPT: [&str; 3] = [SLIPWAY, "local shell", "anonymous"];

/// Why a token may not have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenNameError {
    /// It is empty, too long, or holds control characters.
    #[error("The name must have 1 to {LONGEST} characters that can be seen.")]
    Unfit,
    /// Its bearer could pass for Slipway, and so approve what they asked for themselves.
    #[error("The name {SLIPWAY} is kept for what Slipway does by itself: choose another one.")]
    Reserved,
    /// It would be read as somebody's token.
    #[error("The word “via” within a name stands between a person and a token of theirs: write the name without it.")]
    Via,
    /// Two people of one name would be one wherever somebody's word counts.
    #[error(
        "Somebody, or another token, has that name, or had it before their account was removed: choose another one, or revoke that token first: `slipway token revoke NAME`, or the page Settings, Tokens."
    )]
    Taken,
}

/// Whether a token may be called so, beside those whose names are `taken`.
///
/// # Errors
/// [`TokenNameError`] says why not.
pub fn check_token_name(name: &str, taken: &[String]) -> Result<(), TokenNameError> {
    if !(1..=LONGEST).contains(&name.trim().chars().count()) || name.chars().any(is_unseen) {
        return Err(TokenNameError::Unfit);
    }
    if says_via(name) {
        return Err(TokenNameError::Via);
    }
    if KEPT.iter().any(|kept| same_person(name, kept)) {
        return Err(TokenNameError::Reserved);
    }
    if taken.iter().any(|other| same_person(name, other)) { Err(TokenNameError::Taken) } else { Ok(()) }
}

/// Whether a name looks like that of somebody who came by a token of their own.
pub(crate) fn says_via(name: &str) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    let inner = words.get(1..words.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().any(|word| word.eq_ignore_ascii_case("via"))
}

/// Characters that show nothing, or turn the line's direction: with them two names look like one. Source: Unicode's
/// `Default_Ignorable_Code_Point` and `Bidi_Control`.
pub(crate) fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::{TokenNameError, check_token_name};

    #[test]
    fn nobody_passes_for_slipway() {
        for name in ["slipway", "Slipway", " SLIPWAY ", "local shell", "Anonymous"] {
            assert_eq!(check_token_name(name, &["ana".to_owned()]), Err(TokenNameError::Reserved), "{name:?}");
        }
        for name in ["", " ", "a\nb", "ana\u{200b}", "ana\u{202e}", &"x".repeat(101)] {
            assert_eq!(check_token_name(name, &["ana".to_owned()]), Err(TokenNameError::Unfit), "{name:?}");
        }
        for name in ["ana via laptop", "Ana  VIA my laptop"] {
            assert_eq!(check_token_name(name, &[]), Err(TokenNameError::Via), "{name:?}");
        }
        assert_eq!(check_token_name("ANA ", &["ana".to_owned()]), Err(TokenNameError::Taken), "one name, one person");
        for name in ["ci", "slipway-bot", "via laptop", "Olga Via", "Ana Gómez", &"x".repeat(100)] {
            assert_eq!(check_token_name(name, &["ana".to_owned()]), Ok(()), "{name:?}");
        }
    }
}
