//! Names as tags.

use sha2::{Digest, Sha256};

use crate::{images::MAX_TAG, variables::SHORT_COMMIT};

/// How many hexadecimal digits tell two names apart that would be the same tag.
const SUFFIX_DIGITS: usize = 8;
/// How many digits a whole commit has.
const COMMIT_DIGITS: usize = 40;

/// The name as a legal tag, and whether nothing but slashes changed.
pub(super) fn clean(name: &str) -> (String, bool) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let mut tag: String = name.chars().map(|c| if legal(c) { c } else { '.' }).take(MAX_TAG).collect();
    if tag.is_empty() || tag.starts_with(['.', '-']) {
        // A tag begins with a letter, a digit or an underscore.
        tag.insert(0, '_');
        tag.truncate(MAX_TAG);
    }
    let is_faithful =
        tag.len() == name.len() && tag.bytes().zip(name.bytes()).all(|(a, b)| a == b || (a, b) == (b'.', b'/'));
    (tag, is_faithful)
}

/// The tag with a suffix that depends on the whole name.
pub(super) fn with_suffix(tag: &str, name: &str) -> String {
    let digest: String = Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = tag.get(..MAX_TAG - SUFFIX_DIGITS - 1).unwrap_or(tag);
    format!("{kept}-{}", &digest[..SUFFIX_DIGITS])
}

/// The name as a tag that no other name has.
pub(super) fn suffixed(name: &str) -> String {
    with_suffix(&clean(name).0, name)
}

/// Whether [`suffixed`] could have made the tag.
pub(super) fn is_like_suffixed(tag: &str) -> bool {
    tag.rsplit_once('-').is_some_and(|(_, suffix)| suffix.len() == SUFFIX_DIGITS && is_hexadecimal(suffix))
}

/// Whether the rule `commit` could have made the tag, for some commit.
pub(super) fn is_like_a_commit(tag: &str) -> bool {
    [SHORT_COMMIT, COMMIT_DIGITS].contains(&tag.len()) && is_hexadecimal(tag)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
