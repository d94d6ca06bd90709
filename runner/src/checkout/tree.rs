//! Writing a commit's files.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use git2::{Oid, build::CheckoutBuilder};

use super::{CheckoutError, Watch, measure, mirror::Mirror};

/// Writes the commit's files into a new folder.
///
/// They are written beside it and renamed at the end, so that a folder under that name is always complete.
pub(super) fn write(mirror: &Mirror, commit: Oid, into: &Path, watch: &Watch) -> Result<(), CheckoutError> {
    let repository = mirror.open()?;
    let commit = repository.find_commit(commit)?;
    measure::check(&repository, commit.tree_id(), watch)?;
    let partial = beside(into);
    if partial.exists() {
        std::fs::remove_dir_all(&partial)?;
    }
    std::fs::create_dir_all(&partial)?;
    let mut options = CheckoutBuilder::new();
    options.force().target_dir(&partial).update_index(false).recreate_missing(true);
    repository.checkout_tree(commit.tree()?.as_object(), Some(&mut options))?;
    std::fs::rename(&partial, into)?;
    Ok(())
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
