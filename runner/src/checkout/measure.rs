//! How large a commit is once it is written out.
//!
//! Git keeps equal files and folders once, so that a repository of a few kilobytes may stand for more files than any disk
//! holds. What is counted here is what would be written.

use git2::{ObjectType, Oid, Repository};

use super::{CheckoutError, CheckoutLimits, Watch};

/// How many folders deep a commit may go; a walk through its files goes no deeper.
const DEPTH_LIMIT: usize = 128;
const MIB: u64 = 1024 * 1024;

/// What a commit holds besides files.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The submodules: their paths, and the commits that they are at.
    pub(super) submodules: Vec<(String, Oid)>,
    /// The files that say what git makes of others.
    pub(super) attributes: Vec<Oid>,
}

/// Refuses a tree that is larger than a checkout may be.
pub(super) fn check(repository: &Repository, tree: Oid, watch: &Watch) -> Result<(), CheckoutError> {
    Size::default().take(repository, tree, watch).map(drop)
}

/// How large a checkout is so far.
#[derive(Debug, Default)]
pub(super) struct Size {
    files: usize,
    bytes: u64,
}

impl Size {
    /// Adds a whole tree, and says what is in it.
    ///
    /// # Errors
    /// When it all becomes larger than a checkout may be.
    pub(super) fn take(&mut self, repository: &Repository, tree: Oid, watch: &Watch) -> Result<Survey, CheckoutError> {
        let odb = repository.odb()?;
        let limits = watch.limits;
        let mut survey = Survey::default();
        let mut folders = vec![(tree, 1, String::new())];
        while let Some((folder, depth, path)) = folders.pop() {
            if depth > DEPTH_LIMIT {
                return Err(CheckoutError::Oversized(format!("is more than {DEPTH_LIMIT} folders deep")));
            }
            watch.check()?;
            for entry in &repository.find_tree(folder)? {
                let name = || format!("{path}{}", String::from_utf8_lossy(entry.name_bytes()));
                let mut bytes = 0;
                match entry.kind() {
                    Some(ObjectType::Blob) => {
                        bytes = odb.read_header(entry.id())?.0 as u64;
                        if entry.name_bytes() == b".gitattributes" {
                            survey.attributes.push(entry.id());
                        }
                    }
                    Some(ObjectType::Tree) => folders.push((entry.id(), depth + 1, format!("{}/", name()))),
                    Some(ObjectType::Commit) => survey.submodules.push((name(), entry.id())),
                    _ => {}
                }
                self.file(bytes, &limits)?;
            }
        }
        Ok(survey)
    }

    fn file(&mut self, bytes: u64, limits: &CheckoutLimits) -> Result<(), CheckoutError> {
        self.files += 1;
        if bytes > limits.file_bytes {
            let mib = limits.file_bytes / MIB;
            return Err(CheckoutError::Oversized(format!("holds a file of more than {mib} MiB")));
        }
        if self.files > limits.files {
            return Err(CheckoutError::Oversized(format!("holds more than {} files and folders", limits.files)));
        }
        self.bytes(bytes, limits)
    }

    /// Adds bytes that are written out without being read as a whole.
    pub(super) fn bytes(&mut self, bytes: u64, limits: &CheckoutLimits) -> Result<(), CheckoutError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > limits.written_bytes {
            return Err(CheckoutError::Oversized(format!("holds more than {} MiB", limits.written_bytes / MIB)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn watch(limits: CheckoutLimits) -> Watch {
        Watch { limits, ..Watch::unbounded() }
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
