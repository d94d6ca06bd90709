//! The files of a folder that git knows nothing of.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

/// The most files that are listed.
const MAX_FILES: usize = 200_000;

/// The paths of the files below a folder, without those of git itself. Links are not followed, and what cannot be read
/// is left out.
pub(super) fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting: VecDeque<PathBuf> = VecDeque::from([PathBuf::new()]);
    while let Some(folder) = waiting.pop_front() {
        for entry in std::fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && path != Path::new(".git") => waiting.push_back(path),
                Ok(kind) if kind.is_file() => found.extend(path.to_str().map(str::to_owned)),
                _ => {}
            }
        }
        if found.len() >= MAX_FILES {
            break;
        }
    }
    found.sort_unstable();
    found
}
