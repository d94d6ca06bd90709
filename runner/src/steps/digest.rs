//! Names that are made of what nobody may choose freely.

use sha2::{Digest, Sha256};

/// The first bytes of a hash over texts, none of which holds a NUL, in hexadecimal digits. With 16 of them, nobody finds
/// other texts that lead to the same.
pub(super) fn digest(texts: &[&str], bytes: usize) -> String {
    let hash = Sha256::digest(texts.join("\0"));
    hash.iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}
