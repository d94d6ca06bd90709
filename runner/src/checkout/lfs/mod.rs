//! Files that a repository keeps in Git LFS: git has pointers to them, which are replaced by the files once a commit is
//! written. By a client of our own, as git's runs what a repository's configuration names.
//!
//! What was fetched is kept beside the mirror under its SHA-256, and fetched once.
//! <https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>

mod batch;
mod pointer;
mod store;

use std::{collections::BTreeMap, fs::File, path::Path};

use git2::{ObjectType, Repository, Tree, TreeWalkMode, TreeWalkResult};
use pointer::Pointer;
use store::Store;

use super::{
    CheckoutError, CloneAddress,
    git_config::settings,
    measure::Survey,
    submodules::text_of,
    tree::{Origin, Whole},
};
use crate::workspace::Workspace;

/// The largest `.gitattributes` and `.lfsconfig`, in bytes.
const FILE_LIMIT: usize = 1024 * 1024;

/// Whether a commit says of any file that Git LFS keeps it.
pub(super) fn is_used(repository: &Repository, survey: &Survey) -> bool {
    survey.attributes.iter().any(|&id| {
        let blob = repository.find_blob(id).ok().filter(|blob| blob.size() <= FILE_LIMIT);
        blob.is_some_and(|blob| String::from_utf8_lossy(blob.content()).contains("filter=lfs"))
    })
}

impl Whole<'_> {
    /// Puts the files in the place of their pointers.
    pub(super) fn large_files(
        &mut self,
        of: Origin<'_>,
        repository: &Repository,
        tree: &Tree<'_>,
        into: &Path,
    ) -> Result<(), CheckoutError> {
        let found = pointers(repository, tree)?;
        for (_, pointer) in &found {
            self.size.bytes(pointer.size, &self.watch.limits)?;
        }
        let store = Store::at(self.own.mirror.large_files());
        let different: BTreeMap<&str, &Pointer> = found.iter().map(|(_, of)| (of.oid.as_str(), of)).collect();
        let missing: Vec<Pointer> = different.values().filter(|of| !store.holds(of)).map(|of| (*of).clone()).collect();
        if !missing.is_empty() {
            let configured = text_of(repository, tree, ".lfsconfig", FILE_LIMIT);
            let server = server(of.address, configured.as_deref(), self.lender)?;
            let client = batch::Client::new(&server, &self.watch.gate.url)?;
            let fetching = client.fetch(&missing, &store, self.watch);
            tokio::runtime::Handle::current().block_on(fetching).map_err(|error| {
                self.watch.gate.turned_away().map_or(error, |refusal| CheckoutError::turned_away(refusal, &server))
            })?;
        }
        let root = Workspace::open(into.to_owned())?;
        for (path, pointer) in &found {
            self.watch.check()?;
            let mut kept = File::open(store.path(&pointer.oid))?;
            // No link to what is kept: a step may write into its workspace.
            let mut file = root.rewrite(path)?.ok_or_else(|| CheckoutError::LargeFiles(format!("`{path}` is gone")))?;
            std::io::copy(&mut kept, &mut file)?;
        }
        if !found.is_empty() {
            let (mib, before) =
                (found.iter().map(|(_, of)| of.size).sum::<u64>() >> 20, different.len() - missing.len());
            let all = different.len();
            self.watch
                .say(format!("{} files from Git LFS, {mib} MiB; {before} of {all} were fetched before", found.len()));
        }
        Ok(())
    }
}

/// The files of a tree that are pointers.
fn pointers(repository: &Repository, tree: &Tree<'_>) -> Result<Vec<(String, Pointer)>, CheckoutError> {
    let odb = repository.odb()?;
    let mut found = Vec::new();
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let is_file = entry.kind() == Some(ObjectType::Blob) && matches!(entry.filemode(), 0o100_644 | 0o100_755);
        let is_short = is_file && odb.read_header(entry.id()).is_ok_and(|(size, _)| size <= pointer::LONGEST);
        if is_short
            && let Ok(blob) = repository.find_blob(entry.id())
            && let Some(pointer) = Pointer::read(blob.content())
        {
            found.push((format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes())), pointer));
        }
        TreeWalkResult::Ok
    })?;
    Ok(found)
}

/// The server of a repository's large files: the one that its `.lfsconfig` names, or the one that git's own client finds
/// by the clone address. <https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md>
fn server(
    address: &CloneAddress,
    configured: Option<&str>,
    lender: Option<&CloneAddress>,
) -> Result<CloneAddress, CheckoutError> {
    let mut named = configured.map(settings).unwrap_or_default().into_iter();
    let named = named.find(|setting| (setting.section.as_str(), setting.key.as_str()) == ("lfs", "url"));
    match named {
        Some(setting) => address.of_submodule(&setting.value, lender),
        None => address.of_large_files(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn found(address: &str, configured: Option<&str>) -> String {
        let address = CloneAddress::parse(address).unwrap();
        server(&address, configured, Some(&address)).unwrap().full().to_owned()
    }

    #[test]
    fn the_server_is_found_as_gits_own_client_finds_it() {
        for (address, server) in [
            ("https://example.com/shop/web", "https://example.com/shop/web.git/info/lfs"),
            ("https://x:y@example.com/shop/web.git/", "https://x:y@example.com/shop/web.git/info/lfs"),
            ("http://127.0.0.1:8080/web.git", "http://127.0.0.1:8080/web.git/info/lfs"),
            ("git@example.com:shop/web.git", "https://example.com/shop/web.git/info/lfs"),
            ("ssh://git@example.com:2222/shop/web", "https://example.com/shop/web.git/info/lfs"),
        ] {
            assert_eq!(found(address, None), server);
        }
        let configured = "[lfs]\n\turl = https://store.example.com/lfs\n";
        assert_eq!(found("https://x:y@example.com/web", Some(configured)), "https://store.example.com/lfs");
        assert_eq!(
            found("https://example.com/web", Some("[core]\n url = x\n")),
            "https://example.com/web.git/info/lfs"
        );
    }
}
