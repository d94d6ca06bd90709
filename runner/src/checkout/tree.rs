//! Writing a commit's files.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use git2::Oid;

use super::{CheckoutError, CloneAddress, Watch, files, lfs, measure::Size, mirror::Mirror};

/// Writes the commit's files into a new folder.
///
/// They are written beside it and renamed at the end, so that a folder under that name is always complete. The login of
/// `lender` opens its own server to what the commit names.
pub(super) fn write(
    own: Origin<'_>,
    lender: Option<&CloneAddress>,
    commit: Oid,
    into: &Path,
    watch: &Watch,
) -> Result<(), CheckoutError> {
    let partial = beside(into);
    if partial.exists() {
        std::fs::remove_dir_all(&partial)?;
    }
    std::fs::create_dir_all(&partial)?;
    Whole { own, lender, watch, size: Size::default(), submodules: 0, depth: 0 }.write(own, commit, &partial)?;
    std::fs::rename(&partial, into)?;
    Ok(())
}

/// A repository: where it is kept, and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) mirror: &'a Mirror,
    pub(super) address: &'a CloneAddress,
}

/// A commit with all that belongs to it, while it is written.
pub(super) struct Whole<'a> {
    /// The registered repository.
    pub(super) own: Origin<'a>,
    /// Whose login serves for what the commit names; nobody's where a stranger wrote it.
    pub(super) lender: Option<&'a CloneAddress>,
    pub(super) watch: &'a Watch,
    pub(super) size: Size,
    /// How many submodules were met.
    pub(super) submodules: usize,
    /// How many submodules are around the one that is being written.
    pub(super) depth: usize,
}

impl Whole<'_> {
    /// Writes one commit into an empty folder, with its submodules and its large files.
    pub(super) fn write(&mut self, of: Origin<'_>, commit: Oid, into: &Path) -> Result<(), CheckoutError> {
        let repository = of.mirror.open()?;
        let tree = repository.find_commit(commit)?.tree()?;
        let survey = self.size.take(&repository, tree.id(), self.watch)?;
        files::write(of.mirror, tree.id(), into, self.watch)?;
        if lfs::is_used(&repository, &survey) {
            self.large_files(of, &repository, &tree, into)?;
        }
        self.submodules(of, &repository, &tree, &survey, into)
    }
}

/// Removes whatever [`write`] has made, complete or not.
pub(super) fn discard(into: &Path) {
    for folder in [into, &beside(into)] {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %folder.display(), %error, "a checkout was not removed; the next start tries again");
            }
            _ => {}
        }
    }
}

fn beside(into: &Path) -> PathBuf {
    let mut name: OsString = into.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}
