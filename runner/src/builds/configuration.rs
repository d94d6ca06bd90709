//! What a checked-out commit says about itself: its captain.yml, or its Dockerfiles where it has none.

use std::path::Path;

use slipway_pipelines::{
    config::{App, Config},
    detect::{self, RepositoryFacts},
    diagnostics::Diagnostics,
    parse,
    plan::{Tree, Trigger, compose_files, dockerfiles as wanted_dockerfiles},
};

use crate::workspace::{EntryKind, Links, Workspace, WorkspaceError};

/// The file's name, in the root of the repository.
pub(super) const FILE: &str = "captain.yml";
/// Its largest size in bytes.
const SIZE_LIMIT: u64 = 1024 * 1024;
/// The largest Dockerfile that is read for what it builds on, in bytes.
const DOCKERFILE_LIMIT: u64 = 1024 * 1024;
/// How many files and folders are looked at in search of Dockerfiles.
const SEARCH_LIMIT: usize = 200_000;

/// Why a commit cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigurationError {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] WorkspaceError),
    /// The file is wrong.
    #[error("{0}")]
    Invalid(Diagnostics),
    /// There is no file, and the Dockerfiles do not make up for it.
    #[error("there is no captain.yml in this commit, and its Dockerfiles give no build either: {0}")]
    Undetected(Diagnostics),
}

/// What a commit asks for.
pub(super) struct Read {
    pub(super) config: Config,
    /// What its file says and surely does not mean; none where it has no file.
    pub(super) warnings: Option<Diagnostics>,
}

/// Reads the configuration.
pub(super) fn read(workspace: &Workspace, repository: &str) -> Result<Read, ConfigurationError> {
    let facts = RepositoryFacts { repository };
    // A link would let the file be anything, also in what a person sees quoted in an error.
    if let Some(bytes) = workspace.read(FILE, Links::Refused, SIZE_LIMIT)? {
        let text = String::from_utf8_lossy(&bytes);
        let parsed = parse::parse(FILE, &text, &facts).map_err(ConfigurationError::Invalid)?;
        return Ok(Read { config: parsed.config, warnings: Some(parsed.warnings) });
    }
    let config = detect::detect(&dockerfiles(workspace)?, &facts).map_err(ConfigurationError::Undetected)?;
    Ok(Read { config, warnings: None })
}

/// What a plan must know of the commit's files: the texts of the Dockerfiles and compose files. A Dockerfile that cannot be
/// read is said to be so by the build of its image, a compose file by the plan.
pub(super) fn tree(workspace: &Workspace, config: &Config, trigger: &Trigger) -> Tree {
    let mut tree = Tree::default();
    for path in wanted_dockerfiles(config, trigger) {
        if let Ok(Some(bytes)) = workspace.read(&path, Links::Within, DOCKERFILE_LIMIT) {
            tree.dockerfiles.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    for path in compose_files(config) {
        if let Ok(Some(bytes)) = workspace.read(&path, Links::Within, SIZE_LIMIT) {
            tree.compose.insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    tree
}

/// Whether a condition asks which files the commit changes.
pub(super) fn asks_for_paths(config: &Config) -> bool {
    let of_app = |app: &App| {
        let steps = app.pre.iter().chain(&app.post).chain(&app.test);
        !app.when.paths.is_empty() || steps.into_iter().any(|step| !step.when.paths.is_empty())
    };
    config.apps.iter().any(of_app)
}

fn dockerfiles(workspace: &Workspace) -> Result<Vec<String>, WorkspaceError> {
    let io = |error: std::io::Error| WorkspaceError::Io { path: ".".to_owned(), cause: error.to_string() };
    let mut found = Vec::new();
    let Some(mut walker) = workspace.walker(".")? else { return Ok(found) };
    let mut wanted = |path: &Path, is_folder: bool| {
        if is_folder { path != Path::new(".git") } else { detect::is_dockerfile(&path.to_string_lossy()) }
    };
    for _ in 0..SEARCH_LIMIT {
        let Some(entry) = walker.next(&mut wanted).map_err(io)? else { break };
        if matches!(entry.kind, EntryKind::File(..)) {
            found.push(entry.path.to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn workspace(files: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let workspace = Workspace::open(root.path().to_owned()).unwrap();
        (root, workspace)
    }

    #[test]
    fn without_a_file_the_dockerfiles_are_the_apps() {
        let (_root, workspace) =
            workspace(&[("Dockerfile", ""), ("web/Dockerfile.prod", ""), (".git/Dockerfile", ""), ("README", "")]);
        let read = read(&workspace, "shop/web").unwrap();
        assert_eq!(read.warnings, None, "there is no file");
        let dockerfiles: Vec<_> = read.config.apps.iter().map(|app| app.dockerfile.as_str()).collect();
        assert_eq!(dockerfiles, ["Dockerfile", "web/Dockerfile.prod"]);
    }

    #[test]
    fn a_link_is_not_read_as_captain_yml() {
        let (root, workspace) = workspace(&[("other.yml", "web: {build: Dockerfile, image: x/web}")]);
        std::os::unix::fs::symlink("other.yml", root.path().join(FILE)).unwrap();
        let error = read(&workspace, "shop/web").err().unwrap();
        assert!(matches!(error, ConfigurationError::Unreadable(WorkspaceError::Outside { .. })), "{error}");
    }
}
