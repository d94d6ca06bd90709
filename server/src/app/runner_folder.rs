//! The data directory of a runner on a machine of its own: of one runner, and of one process at a time.

use std::{fs, io, path::Path};

use super::{DataDirError, data_dir::DataDir};

/// A runner's data directory, held until it is dropped.
#[derive(Debug)]
pub struct RunnerFolder {
    _held: DataDir,
}

/// Why a folder is not this runner's.
#[derive(Debug, thiserror::Error)]
pub enum RunnerFolderError {
    /// It cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// It cannot be read or written.
    #[error("cannot use {path}: {source}")]
    Unusable {
        /// The file.
        path: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another runner's work is in it.
    #[error("the data directory {path} belongs to another runner, {owner}; give this one a --data-dir of its own")]
    Foreign {
        /// The directory.
        path: String,
        /// Whose it is.
        owner: String,
    },
}

impl RunnerFolder {
    /// Takes the directory for the runner `id`, and makes it if it is missing.
    ///
    /// # Errors
    /// When it cannot be used, another process has it, or it is another runner's.
    pub fn of(path: &Path, id: &str) -> Result<Self, RunnerFolderError> {
        let held = DataDir::open(path)?;
        let file = path.join("id");
        let unusable = |source| RunnerFolderError::Unusable { path: file.display().to_string(), source };
        match fs::read_to_string(&file) {
            Ok(owner) if owner.trim() == id => {}
            Ok(owner) if owner.trim().is_empty() => fs::write(&file, id).map_err(unusable)?,
            Ok(owner) => {
                let (path, owner) = (path.display().to_string(), owner.trim().to_owned());
                return Err(RunnerFolderError::Foreign { path, owner });
            }
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => fs::write(&file, id).map_err(unusable)?,
            Err(error) => return Err(unusable(error)),
        }
        Ok(RunnerFolder { _held: held })
    }
}
