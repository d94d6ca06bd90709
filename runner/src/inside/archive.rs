//! The program and what it is told as files, for containers that are started again without us.

use std::io;

use tar::{Builder, EntryType, Header};

use super::program::{PLACE, PROGRAM};

/// Where such a container finds what it is told.
pub(crate) const TOLD: &str = "/.slipway/told";

/// The files, to be laid below `/`. What is told is for its owner alone; where nobody knows who that is, for everybody in the
/// container.
///
/// # Errors
/// When the archive cannot be written.
pub(crate) fn archive(told: &str, owner: Option<u64>) -> io::Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::with_capacity(PROGRAM.len() + told.len() + 4_096));
    let (program, told_mode) = (0o755, if owner.is_some() { 0o400 } else { 0o444 });
    let mut add = |kind: EntryType, path: &str, mode: u32, owner: u64, bytes: &[u8]| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, path.trim_start_matches('/'), bytes)
    };
    add(EntryType::Directory, "/.slipway/", 0o755, 0, &[])?;
    add(EntryType::Regular, PLACE, program, 0, PROGRAM)?;
    add(EntryType::Regular, TOLD, told_mode, owner.unwrap_or_default(), told.as_bytes())?;
    archive.into_inner()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn listed(owner: Option<u64>) -> Vec<(String, u32, u64, u64)> {
        let bytes = archive("told", owner).unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            let path = entry.path().unwrap().display().to_string();
            (path, header.mode().unwrap(), header.uid().unwrap(), header.size().unwrap())
        });
        entries.collect()
    }

    #[test]
    fn who_may_read_what_is_told_is_its_owner() {
        let size = PROGRAM.len() as u64;
        let program = (".slipway/inside".to_owned(), 0o755, 0, size);
        let folder = (".slipway/".to_owned(), 0o755, 0, 0);
        for (owner, mode, uid) in [(Some(0), 0o400, 0), (Some(4_000_000_000), 0o400, 4_000_000_000), (None, 0o444, 0)] {
            let told = (".slipway/told".to_owned(), mode, uid, 4);
            assert_eq!(listed(owner), [folder.clone(), program.clone(), told]);
        }
    }
}
