//! How large a commit is once it is written out.
//!
//! Git keeps equal files and folders once, so that a repository of a few kilobytes may stand for more files than any disk
//! holds. What is counted here is what would be written.

use git2::{ObjectType, Oid, Repository};

use super::{CheckoutError, CheckoutLimits, Watch};

/// How many folders deep a commit may go; a walk through its files goes no deeper.
const DEPTH_LIMIT: usize = 128;

/// Refuses a tree that is larger than a checkout may be.
pub(super) fn check(repository: &Repository, tree: Oid, watch: &Watch) -> Result<(), CheckoutError> {
    let odb = repository.odb()?;
    let limits = watch.limits;
    let mut size = Size::default();
    let mut folders = vec![(tree, 1)];
    while let Some((folder, depth)) = folders.pop() {
        if depth > DEPTH_LIMIT {
            return Err(CheckoutError::Oversized(format!("is more than {DEPTH_LIMIT} folders deep")));
        }
        watch.check()?;
        for entry in &repository.find_tree(folder)? {
            let bytes = match entry.kind() {
                Some(ObjectType::Blob) => odb.read_header(entry.id())?.0 as u64,
                Some(ObjectType::Tree) => {
                    folders.push((entry.id(), depth + 1));
                    0
                }
                // A submodule, which is an empty folder.
                _ => 0,
            };
            size.add(bytes, &limits)?;
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Size {
    files: usize,
    bytes: u64,
}

impl Size {
    fn add(&mut self, bytes: u64, limits: &CheckoutLimits) -> Result<(), CheckoutError> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        let mib = |bytes: u64| bytes / (1024 * 1024);
        let over = if bytes > limits.file_bytes {
            format!("holds a file of more than {} MiB", mib(limits.file_bytes))
        } else if self.bytes > limits.written_bytes {
            format!("holds more than {} MiB", mib(limits.written_bytes))
        } else if self.files > limits.files {
            format!("holds more than {} files and folders", limits.files)
        } else {
            return Ok(());
        };
        Err(CheckoutError::Oversized(over))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::{
        sync::{Arc, atomic::AtomicBool},
        time::{Duration, Instant},
    };

    use super::*;

    fn watch(limits: CheckoutLimits) -> Watch {
        let (progress, _) = tokio::sync::mpsc::unbounded_channel();
        let deadline = Instant::now() + Duration::from_secs(60);
        Watch { stopped: Arc::new(AtomicBool::new(false)), deadline, limits, progress }
    }

    /// A tree of trees: each level names the one below `width` times.
    fn nested(repository: &Repository, levels: usize, width: usize) -> Oid {
        let mut below = (repository.blob(b"x").unwrap(), 0o100_644);
        for _ in 0..levels {
            let mut builder = repository.treebuilder(None).unwrap();
            for name in 0..width {
                builder.insert(name.to_string(), below.0, below.1).unwrap();
            }
            below = (builder.write().unwrap(), 0o040_000);
        }
        below.0
    }

    fn refusal(levels: usize, width: usize, limits: CheckoutLimits) -> String {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        let tree = nested(&repository, levels, width);
        check(&repository, tree, &watch(limits)).unwrap_err().to_string()
    }

    #[test]
    fn a_commit_that_would_fill_the_disk_is_refused() {
        let limits = CheckoutLimits { files: 10_000, ..CheckoutLimits::default() };
        let said = refusal(10, 10, limits);
        assert!(said.starts_with("the commit holds more than 10000 files and folders"), "{said}");
        assert!(refusal(3, 10, CheckoutLimits { written_bytes: 999, ..limits }).contains("holds more than 0 MiB"));
        assert!(refusal(1, 1, CheckoutLimits { file_bytes: 0, ..limits }).contains("a file of more than 0 MiB"));
    }

    #[test]
    fn a_commit_that_would_exhaust_the_stack_is_refused() {
        let said = refusal(2_000, 1, CheckoutLimits::default());
        assert!(said.starts_with("the commit is more than 128 folders deep"), "{said}");
    }

    #[test]
    fn an_ordinary_commit_passes() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init_bare(folder.path()).unwrap();
        assert_eq!(check(&repository, nested(&repository, 3, 10), &watch(CheckoutLimits::default())), Ok(()));
    }
}
