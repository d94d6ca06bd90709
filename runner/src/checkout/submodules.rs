//! The submodules of a commit: each a mirror within the repository's own, fetched when its commit is not there yet.
//!
//! `.gitmodules` is a stranger's word. It gives addresses and nothing else: no path, as that is the tree's; no command; and no
//! address that the registered repository or an administrator would not have given.
//! <https://git-scm.com/docs/gitmodules>

use std::path::{Path, PathBuf};

use git2::{Repository, Tree};

use super::{
    CheckoutError,
    git_config::settings,
    measure::Survey,
    tree::{Origin, Whole},
};
use crate::workspace::{Workspace, WorkspaceError};

/// How many submodules a commit may have, those of its submodules included.
const COUNT_LIMIT: usize = 200;
/// How many submodules may lie within each other.
const DEPTH_LIMIT: usize = 8;
/// The largest `.gitmodules`, in bytes.
const FILE_LIMIT: usize = 1024 * 1024;

/// What `.gitmodules` says of one submodule.
#[derive(Debug, Default, PartialEq, Eq)]
struct Described {
    name: String,
    path: String,
    url: String,
    /// It is not to be fetched unless asked for.
    left_out: bool,
}

impl Whole<'_> {
    /// Writes the submodules of a commit whose own files are written.
    pub(super) fn submodules(
        &mut self,
        of: Origin<'_>,
        repository: &Repository,
        tree: &Tree<'_>,
        survey: &Survey,
        into: &Path,
    ) -> Result<(), CheckoutError> {
        if survey.submodules.is_empty() {
            return Ok(());
        }
        let described = described(&text_of(repository, tree, ".gitmodules", FILE_LIMIT).unwrap_or_default());
        let root = Workspace::open(into.to_owned())?;
        for (path, commit) in &survey.submodules {
            let Some(module) = described.iter().find(|module| module.path == *path && !module.url.is_empty()) else {
                self.watch
                    .say(format!("submodule {path}: .gitmodules gives no address for it, its folder stays empty"));
                continue;
            };
            if module.left_out {
                self.watch.say(format!("submodule {path}: left out, as .gitmodules says `update = none`"));
                continue;
            }
            self.submodules += 1;
            if self.submodules > COUNT_LIMIT {
                return Err(CheckoutError::Oversized(format!("has more than {COUNT_LIMIT} submodules")));
            }
            if self.depth >= DEPTH_LIMIT {
                return Err(CheckoutError::Oversized(format!("has submodules more than {DEPTH_LIMIT} deep")));
            }
            self.depth += 1;
            let written = self.submodule(of, module, *commit, &root);
            self.depth -= 1;
            written.map_err(|error| error.of_submodule(path))?;
        }
        Ok(())
    }

    fn submodule(
        &mut self,
        of: Origin<'_>,
        module: &Described,
        commit: git2::Oid,
        root: &Workspace,
    ) -> Result<(), CheckoutError> {
        let address = of.address.of_submodule(&module.url, self.lender)?;
        // libgit2 asks http servers directly, whatever proxy it is told.
        if address.place().scheme == "http" && !self.watch.gate.knows(&address.place()) {
            let why = "another server than the repository's own is asked by https only, unless it is named under \
                       `internal_hosts` of the runner";
            return Err(CheckoutError::Address { address: address.shown().to_owned(), why: why.to_owned() });
        }
        let mirror = self.own.mirror.of_submodule(&address);
        let was_there = mirror.bring_commit(&address, commit, self.watch)?;
        let how = if was_there { "fetched before".to_owned() } else { format!("fetched from {}", address.shown()) };
        self.watch.say(format!("submodule {} at {:.12}: {how}", module.path, commit.to_string()));
        let folder = folder(root, &module.path)?;
        self.write(Origin { mirror: &mirror, address: &address }, commit, &folder)
    }
}

/// The folder of a submodule, which no link leads to.
fn folder(root: &Workspace, path: &str) -> Result<PathBuf, CheckoutError> {
    root.make_folders(path)?;
    let found = root.mountable(path)?;
    found.ok_or_else(|| CheckoutError::Git(format!("the folder `{path}` cannot be made")))
}

impl From<WorkspaceError> for CheckoutError {
    fn from(error: WorkspaceError) -> Self {
        CheckoutError::Git(error.to_string())
    }
}

/// The text of a small file of a commit's root.
pub(super) fn text_of(repository: &Repository, tree: &Tree<'_>, name: &str, limit: usize) -> Option<String> {
    let entry = tree.get_name(name)?;
    let (size, _) = repository.odb().ok()?.read_header(entry.id()).ok()?;
    let blob = repository.find_blob(entry.id()).ok().filter(|_| size <= limit)?;
    Some(String::from_utf8_lossy(blob.content()).into_owned())
}

fn described(text: &str) -> Vec<Described> {
    let mut found: Vec<Described> = Vec::new();
    for setting in settings(text).into_iter().filter(|setting| setting.section == "submodule") {
        let at = found.iter().position(|module| module.name == setting.subsection).unwrap_or_else(|| {
            found.push(Described { name: setting.subsection.clone(), ..Described::default() });
            found.len() - 1
        });
        match setting.key.as_str() {
            "path" => found[at].path = setting.value.trim_end_matches('/').to_owned(),
            "url" => found[at].url = setting.value,
            "update" => found[at].left_out = setting.value == "none",
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_and_nothing_else() {
        let text = "[submodule \"a\"]\n path = libs/a/\n url = ../a.git\n update = !touch /tmp/x\n[submodule \"b\"]\n url=x\n path=b\n update=none\n[core]\n hooksPath = x\n";
        let module = |name: &str, path: &str, url: &str, left_out| Described {
            name: name.to_owned(),
            path: path.to_owned(),
            url: url.to_owned(),
            left_out,
        };
        assert_eq!(described(text), [module("a", "libs/a", "../a.git", false), module("b", "b", "x", true)]);
    }
}
