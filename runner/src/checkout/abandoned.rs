//! What a process that was killed while it wrote into a mirror has left there.

use std::{fs, io, path::Path};

/// How the names of large files end that are not complete.
pub(super) const DRAFT: &str = "lfs-draft";

/// Removes from every mirror the locks and drafts of writers that are no more. To be called while nobody works on them:
/// libgit2 waits for nobody's lock, so a fetch would fail for ever on one that nobody holds.
pub(crate) fn free_mirrors(folder: &Path) -> io::Result<()> {
    for mirror in fs::read_dir(folder)? {
        free(&mirror?.path(), false)?;
    }
    Ok(())
}

fn free(folder: &Path, objects: bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            free(&entry.path(), objects || name == "objects")?;
        } else if is_abandoned(&name, objects) {
            tracing::info!(path = %entry.path().display(), "removing what a fetch that was cut off has left");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// No ref's name ends in `.lock` (git-check-ref-format(1)); `_git2_` is how libgit2 marks its drafts of objects and
/// packs, but a branch may be called so. A ref of the name of a draft of a large file is fetched again.
fn is_abandoned(name: &str, objects: bool) -> bool {
    name.ends_with(".lock") || name.ends_with(&format!(".{DRAFT}")) || (objects && name.contains("_git2_"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn locks_and_drafts_go_and_refs_and_packs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let goes = [
            "HEAD.lock",
            "refs/slipway/heads/main.lock",
            "objects/pack/pack_git2_8f3a1c",
            "objects/0a/x_git2_1",
            "lfs/0a/1b/0a1b.lfs-draft",
            "modules/0a.git/objects/0a/x_git2_1",
        ];
        let stays = [
            "HEAD",
            "refs/slipway/heads/main",
            "refs/slipway/heads/use_git2_now",
            "objects/pack/pack-1.pack",
            "lfs/0a/1b/0a1b",
        ];
        let path = |name: &str| folder.path().join("r.git").join(name);
        for name in goes.iter().chain(&stays) {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), "").unwrap();
        }
        free_mirrors(folder.path()).unwrap();
        assert!(goes.iter().all(|name| !path(name).exists()));
        assert!(stays.iter().all(|name| path(name).exists()));
    }
}
