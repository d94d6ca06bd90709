//! The data directory, which belongs to one process at a time.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// A data directory, held by this process until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("another Slipway already runs on {0}; stop it, or give this one a data_dir of its own")]
    Taken(PathBuf),
    /// It cannot be made or written to.
    #[error(
        "cannot use the data directory {path}: {source}; set `data_dir` (--data-dir, SLIPWAY_DATA_DIR) to one that can be written to"
    )]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl DataDir {
    /// Makes the directory if it is missing, readable by its owner alone, and takes it.
    pub(super) fn open(path: &Path) -> Result<Self, DataDirError> {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let unusable = |source| DataDirError::Unusable { path: whole.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join("slipway.lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let held = DataDir::open(&path).unwrap();
        let refused = DataDir::open(&path).unwrap_err().to_string();
        assert!(refused.starts_with("another Slipway already runs on "), "{refused}");
        drop(held);
        assert!(DataDir::open(&path).is_ok());
    }
}
