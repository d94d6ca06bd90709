//! The file of the program, where an engine can mount it from.

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use sha2::{Digest, Sha256};

/// The program.
pub(super) const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/slipway-inside"));
/// Where containers find it: a place that no image has.
pub(crate) const PLACE: &str = "/.slipway/inside";
/// Everybody may begin it, and its owner alone may change it.
const MODE: u32 = 0o755;
/// How much of the digest its name holds, in bytes.
const NAME_BYTES: usize = 16;

/// The program in a folder of this process alone. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct Inside {
    folder: PathBuf,
    written: Arc<OnceLock<PathBuf>>,
}

impl Inside {
    /// Kept in this folder, which is made when the program is needed.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Inside { folder, written: Arc::default() }
    }

    /// The folder that it is kept in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it is; it is written unless it is there already. Its name is its digest, so that containers which an earlier
    /// version made keep theirs.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn path(&self) -> io::Result<PathBuf> {
        if let Some(path) = self.written.get().filter(|path| stands(path)) {
            return Ok(path.clone());
        }
        fs::create_dir_all(&self.folder)?;
        // An engine mounts only what it is given a whole path to.
        let folder = self.folder.canonicalize()?;
        let path = folder.join(name());
        if !stands(&path) || !fs::read(&path).is_ok_and(|found| found == PROGRAM) {
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(PROGRAM)?;
            file.as_file().set_permissions(Permissions::from_mode(MODE))?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
        }
        Ok(self.written.get_or_init(|| path).clone())
    }
}

/// Whether it lies there as it was written, as far as can be told without reading it.
fn stands(path: &Path) -> bool {
    let is_it = |found: fs::Metadata| {
        found.is_file() && found.len() == PROGRAM.len() as u64 && found.permissions().mode() & 0o777 == MODE
    };
    fs::symlink_metadata(path).is_ok_and(is_it)
}

/// A name that only this version of the program has.
pub(super) fn name() -> String {
    Sha256::digest(PROGRAM).iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_once_and_mended_when_it_is_not_whole() {
        let folder = tempfile::tempdir().unwrap();
        let inside = || Inside::in_folder(folder.path().join("inside"));
        let path = inside().path().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        let written = || path.metadata().unwrap().modified().unwrap();
        let first = written();
        assert_eq!(inside().path().unwrap(), path);
        assert_eq!(written(), first, "it was there");
        fs::write(&path, "cut off").unwrap();
        let known = inside();
        known.path().unwrap();
        assert_eq!(fs::read(&path).unwrap(), PROGRAM);
        fs::remove_file(&path).unwrap();
        known.path().unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        known.path().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
    }
}
