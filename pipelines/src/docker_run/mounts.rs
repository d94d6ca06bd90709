//! What a `-v` may mount: the workspace or a part of it, and caches; never a path of the host.

use super::{
    WORKSPACE,
    words::{HOME, PWD},
};
use crate::{
    config::{Mount, MountSource},
    diagnostics::Problem,
    paths, variables,
};

const ACCEPTED: &str = "the workspace (\"$PWD\" or a relative path) or a cache (~/… or a bare name)";

/// Folders of a home whose files are somebody's keys; a cache of that name begins empty.
const KEYS: [&str; 6] = ["~/.ssh", "~/.aws", "~/.docker", "~/.kube", "~/.gnupg", "~/.config/gcloud"];

/// Parses `source:target[:options]`.
pub(super) fn parse(text: &str) -> Result<Mount, Problem> {
    // The colon of no template is a separator: variables' names hold none.
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(Problem::new(format!("-v {} has no source", shown(text))).expected("-v source:/target")),
    };
    of(source, target, parse_options(options)?)
}

/// A mount of its parts.
pub(super) fn of(source: &str, target: &str, read_only: bool) -> Result<Mount, Problem> {
    Ok(Mount { source: parse_source(source)?, target: parse_target(target)?, read_only })
}

/// What to say of a mount that is legal and surely not what its author thinks.
pub(super) fn warning(mount: &Mount) -> Option<Problem> {
    let MountSource::Cache { name } = &mount.source else { return None };
    let is_keys =
        KEYS.iter().any(|keys| name == keys || name.strip_prefix(keys).is_some_and(|rest| rest.starts_with('/')));
    is_keys.then(|| {
        Problem::new(format!("-v {name} is a cache of the repository and not a folder of a host: it begins empty"))
            .expected("\"secrets\" for what the step must know")
    })
}

fn parse_source(source: &str) -> Result<MountSource, Problem> {
    let refuse =
        |reason: &str| Err(Problem::new(format!("-v {} is refused: {reason}", shown(source))).expected(ACCEPTED));
    if source.trim_end_matches('/').ends_with("docker.sock") {
        let message = format!("-v {} is refused: the Docker socket gives power over the host", shown(source));
        let expected = "a step as a map with \"engine: true\", which finds a Docker engine of the build's own";
        return Err(Problem::new(message).expected(expected));
    }
    if let Some(rest) = source.strip_prefix(PWD) {
        if !rest.is_empty() && !rest.starts_with('/') {
            return refuse("it lies outside of the workspace");
        }
        return Ok(MountSource::Workspace { path: workspace_path(rest.trim_start_matches('/'))? });
    }
    if variables::uses(source, "PWD") {
        return refuse("$PWD can only begin a path");
    }
    if let Some(rest) = source.strip_prefix('~').or_else(|| source.strip_prefix(HOME)) {
        let Some(rest) = rest.strip_prefix('/') else { return refuse("there is no home folder of the host in a step") };
        let path = paths::clean(rest).map_err(Problem::new)?;
        if path == "." || path.contains('$') {
            return refuse("a cache needs a plain name below ~, such as ~/.m2");
        }
        return Ok(MountSource::Cache { name: format!("~/{path}") });
    }
    if source.starts_with('/') {
        return refuse("a step may not mount paths of the host");
    }
    if is_volume_name(source) {
        return Ok(MountSource::Cache { name: source.to_owned() });
    }
    if source.is_empty() || variables::uses(source, "HOME") {
        return refuse("it names nothing that a step has");
    }
    Ok(MountSource::Workspace { path: workspace_path(source)? })
}

/// A path within the workspace, as a template.
pub(super) fn workspace_path(path: &str) -> Result<String, Problem> {
    paths::clean(path).map_err(Problem::new)
}

pub(super) fn parse_target(target: &str) -> Result<String, Problem> {
    let target = variables::replace(target, "PWD", WORKSPACE);
    if variables::uses(&target, "HOME") {
        return Err(Problem::new("the home folder within a container is not known").expected("an absolute path"));
    }
    check_target(&variables::sample(&target)).map_err(|reason| Problem::new(format!("-v target: {reason}")))?;
    Ok(target)
}

/// Whether something may be mounted there: a plain path, and not what the engine or the runner mounts.
pub(crate) fn check_target(target: &str) -> Result<(), String> {
    paths::check_absolute(target)?;
    match target.split('/').find(|part| !matches!(*part, "" | ".")) {
        None | Some("proc" | "sys" | "dev" | ".slipway") => {
            Err(format!("nothing can be mounted over \"{target}\" of the container"))
        }
        Some(_) => Ok(()),
    }
}

/// Whether the mount is read-only. The words about SELinux labels and consistency change nothing here.
fn parse_options(options: &str) -> Result<bool, Problem> {
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            other => {
                return Err(Problem::new(format!("-v option \"{other}\" is not supported")).expected("ro or rw"));
            }
        }
    }
    Ok(read_only)
}

/// The engine's rule for the names of volumes.
fn is_volume_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// A template as it was written, for messages.
fn shown(text: &str) -> String {
    text.replace(PWD, "$PWD").replace(HOME, "$HOME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_judged_again_when_its_variables_are_known() {
        let target =
            |tag: &str| variables::expand("/${SLIPWAY_TAG}/proc", &[("SLIPWAY_TAG".to_owned(), tag.to_owned())]);
        assert_eq!(target("v1").map_err(|error| error.to_string()).and_then(|target| check_target(&target)), Ok(()));
        let refused = target("").map_err(|error| error.to_string()).and_then(|target| check_target(&target));
        assert_eq!(refused, Err("nothing can be mounted over \"//proc\" of the container".to_owned()));
    }
}
