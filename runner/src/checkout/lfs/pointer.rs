//! What git has in the place of a large file.

/// The longest pointer, in bytes.
pub(super) const LONGEST: usize = 1024;
/// How a pointer begins.
const VERSION: &str = "version https://git-lfs.github.com/spec/v1";

/// A large file by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    /// Its SHA-256, 64 hexadecimal digits in lower case.
    pub(super) oid: String,
    /// Its length in bytes.
    pub(super) size: u64,
}

impl Pointer {
    /// Reads a pointer; none when the file is not one, or asks for an extension that would have to run.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST)?;
        let (mut oid, mut size) = (None, None);
        let mut lines = text.lines();
        if lines.next() != Some(VERSION) {
            return None;
        }
        for line in lines {
            match line.split_once(' ')? {
                ("oid", value) => oid = Some(value.strip_prefix("sha256:").filter(|oid| is_oid(oid))?),
                ("size", value) => size = Some(value.parse().ok()?),
                (key, _) if key.starts_with("ext-") => return None,
                _ => {}
            }
        }
        Some(Pointer { oid: oid?.to_owned(), size: size? })
    }
}

/// Whether a text is the SHA-256 of something. It becomes the name of a file.
pub(super) fn is_oid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn a_pointer_is_told_from_other_files() {
        let pointer = format!("{VERSION}\noid sha256:{OID}\nsize 12345\n");
        assert_eq!(Pointer::read(pointer.as_bytes()), Some(Pointer { oid: OID.to_owned(), size: 12345 }));
        for other in [
            String::new(),
            "version 1\n".to_owned(),
            format!("{VERSION}\noid sha256:../../etc/passwd\nsize 1\n"),
            format!("{VERSION}\noid sha256:{}\nsize 1\n", OID.to_uppercase()),
            format!("{VERSION}\noid sha256:{OID}\nsize -1\n"),
            format!("{VERSION}\noid sha256:{OID}\n"),
            format!("{VERSION}\next-0-run sha256:{OID}\noid sha256:{OID}\nsize 1\n"),
            format!("{pointer}{}", "x ".repeat(600)),
        ] {
            assert_eq!(Pointer::read(other.as_bytes()), None, "{other}");
        }
    }
}
