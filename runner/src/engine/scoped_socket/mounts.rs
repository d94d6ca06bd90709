//! What a container finds on its disk: parts of the workspace, volumes of the build's, nothing of the host's.

use bollard::models::VolumeCreateRequest;
use serde_json::{Map, Value, json};

use super::{WORKSPACE, fields::Fields, refusal::Refusal, scope::Scope, stillness::mountable};
use crate::engine::labels;

/// How many mounts one container may have.
const MOUNTS_LIMIT: usize = 64;
/// The longest path.
const PATH_LIMIT: usize = 4096;

/// Where something that is mounted comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// A path within the workspace; empty for the whole.
    Part(String),
    /// A volume by its name.
    Volume(String),
    /// A new volume that nobody has named.
    Anonymous,
}

/// A `-v` option as it stands in `Binds`: `source:target[:options]`.
pub(super) fn bind(text: &str) -> Result<(Source, String, bool), Refusal> {
    let pieces: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match pieces.as_slice() {
        [target] => return Ok((Source::Anonymous, absolute(target)?, false)),
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => return Err(Refusal::bad(format!("`{text}` is no mount"))),
    };
    let mut read_only = false;
    for option in options.split(',') {
        match option {
            "ro" => read_only = true,
            // Labels of SELinux would be changed on the host's files; the others are the default.
            "" | "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" | "nocopy" | "rprivate" | "private" => {}
            other => return Err(Refusal::forbidden(format!("the option `{other}` of the mount `{text}`"))),
        }
    }
    Ok((source_of(source)?, absolute(target)?, read_only))
}

/// The source of a mount as a step writes it.
fn source_of(text: &str) -> Result<Source, Refusal> {
    if !text.starts_with(['/', '.', '~']) {
        return Ok(Source::Volume(text.to_owned()));
    }
    let outside = || {
        Refusal::forbidden(format!(
            "mounting `{text}`: a step's containers may mount what is below {WORKSPACE}, and volumes, but nothing of the host"
        ))
    };
    if text.len() > PATH_LIMIT || text.contains(['\0', '\n']) || text.split('/').any(|piece| piece == "..") {
        return Err(outside());
    }
    let part = text.strip_prefix(WORKSPACE).ok_or_else(outside)?;
    if !(part.is_empty() || part.starts_with('/')) {
        return Err(outside());
    }
    let pieces: Vec<&str> = part.split('/').filter(|piece| !matches!(*piece, "" | ".")).collect();
    Ok(Source::Part(pieces.join("/")))
}

fn absolute(target: &str) -> Result<String, Refusal> {
    if target.starts_with('/') && target.len() <= PATH_LIMIT {
        return Ok(target.to_owned());
    }
    Err(Refusal::bad(format!("`{target}` is no absolute path to mount something at")))
}

impl Scope {
    /// The mounts that are asked for as `Binds` and as `Mounts`, in the engine's terms. Named volumes exist afterwards, and
    /// folders of the workspace that `-v` names, as with Docker.
    pub(super) async fn mounts(&self, asked: &mut Fields) -> Result<Vec<Value>, Refusal> {
        let binds = asked.texts("Binds")?;
        let given = match asked.take("Mounts") {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(_) => return Err(asked.wrong("Mounts", "a list")),
        };
        if binds.len() + given.len() > MOUNTS_LIMIT {
            return Err(Refusal::forbidden(format!("more than {MOUNTS_LIMIT} mounts of one container")));
        }
        let mut mounts = Vec::new();
        for text in binds {
            let (source, target, read_only) = bind(&text)?;
            if let Source::Part(part) = &source {
                self.workspace.make_folders(part).map_err(|error| Refusal::forbidden(error.to_string()))?;
            }
            mounts.push(self.mount(source, target, read_only).await?);
        }
        for item in given {
            mounts.push(self.given(Fields::of(item, "HostConfig.Mounts.")?).await?);
        }
        Ok(mounts)
    }

    /// One of `Mounts`.
    async fn given(&self, mut asked: Fields) -> Result<Value, Refusal> {
        let kind = asked.text("Type")?.unwrap_or_default();
        let target = absolute(&asked.text("Target")?.unwrap_or_default())?;
        let read_only = asked.take("ReadOnly").is_some_and(|flag| flag == true);
        let source = asked.text("Source")?;
        asked.take("Consistency");
        match kind.as_str() {
            "tmpfs" => {
                let mut options = asked.object("TmpfsOptions", "HostConfig.Mounts.TmpfsOptions.")?;
                let mut kept = Map::new();
                options.keep(&["SizeBytes", "Mode"], &mut kept);
                options.finish()?;
                asked.finish()?;
                Ok(json!({ "Type": "tmpfs", "Target": target, "ReadOnly": read_only, "TmpfsOptions": kept }))
            }
            "bind" => {
                let mut options = asked.object("BindOptions", "HostConfig.Mounts.BindOptions.")?;
                let propagation = options.text("Propagation")?;
                if propagation.as_deref().is_some_and(|mode| !matches!(mode, "private" | "rprivate")) {
                    return Err(Refusal::forbidden("mounts that propagate to the host"));
                }
                let make = options.take("CreateMountpoint").is_some_and(|flag| flag == true);
                options.take("NonRecursive");
                options.finish()?;
                asked.finish()?;
                let source = source.unwrap_or_default();
                let source = source_of(&source)?;
                let Source::Part(part) = &source else {
                    return Err(Refusal::bad("the source of a bind is an absolute path"));
                };
                if make {
                    self.workspace.make_folders(part).map_err(|error| Refusal::forbidden(error.to_string()))?;
                }
                self.mount(source, target, read_only).await
            }
            "volume" => {
                let mut options = asked.object("VolumeOptions", "HostConfig.Mounts.VolumeOptions.")?;
                for name in ["NoCopy", "Labels"] {
                    options.take(name);
                }
                let mut driver = options.object("DriverConfig", "HostConfig.Mounts.VolumeOptions.DriverConfig.")?;
                if driver.text("Name")?.is_some_and(|name| name != "local") || !driver.map("Options")?.is_empty() {
                    return Err(Refusal::forbidden("a volume with a driver's options can be any path of the host"));
                }
                driver.finish()?;
                options.finish()?;
                asked.finish()?;
                self.mount(source.map_or(Source::Anonymous, Source::Volume), target, read_only).await
            }
            other => Err(Refusal::forbidden(format!("a mount of the type `{other}`"))),
        }
    }

    async fn mount(&self, source: Source, target: String, read_only: bool) -> Result<Value, Refusal> {
        Ok(match source {
            Source::Part(part) => {
                let path = if part.is_empty() {
                    self.workspace.path().display().to_string()
                } else {
                    mountable(&self.workspace, &part)?
                };
                json!({ "Type": "bind", "Source": path, "Target": target, "ReadOnly": read_only })
            }
            Source::Volume(name) => {
                let real = self.make_volume(&name, Map::new()).await?;
                json!({ "Type": "volume", "Source": real, "Target": target, "ReadOnly": read_only })
            }
            Source::Anonymous => json!({ "Type": "volume", "Target": target, "ReadOnly": read_only }),
        })
    }

    /// Makes a volume unless it is there, and returns its name on the engine.
    pub(super) async fn make_volume(&self, asked: &str, given: Map<String, Value>) -> Result<String, Refusal> {
        let real = self.names.real(asked)?;
        let labels = serde_json::from_value(self.labelled(given, labels::KIND_VOLUME)).ok();
        let request = VolumeCreateRequest { name: Some(real.clone()), labels, ..VolumeCreateRequest::default() };
        let made = self.engine.create_volume(request).await;
        made.map_err(|error| Refusal::from(self.engine.error("create the volume", &error)))?;
        Ok(real)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn the_workspace_and_volumes_are_mounted() {
        let part = |path: &str| Source::Part(path.to_owned());
        for (text, source, target, read_only) in [
            ("/workspace:/app", part(""), "/app", false),
            ("/workspace/:/app:ro", part(""), "/app", true),
            ("/workspace/./a//b/:/app:rw,z", part("a/b"), "/app", false),
            ("data:/var/lib/data", Source::Volume("data".to_owned()), "/var/lib/data", false),
            ("/cache", Source::Anonymous, "/cache", false),
        ] {
            assert_eq!(bind(text).unwrap(), (source, target.to_owned(), read_only), "{text}");
        }
    }

    #[test]
    fn nothing_of_the_host_is_mounted() {
        for text in [
            "/:/host",
            "/etc:/x",
            "/var/run/docker.sock:/var/run/docker.sock",
            "/workspace/..:/x",
            "/workspace/../..:/x",
            "/workspace/a/../../etc:/x",
            "/workspaces:/x",
            "/workspace-other:/x",
            "//etc:/x",
            "/./etc:/x",
            "./a:/x",
            "../a:/x",
            "~/x:/x",
            "/proc/1/root:/x",
            "/workspace:/x:shared",
            "/workspace:/x:rshared",
            "/workspace:/x:slave",
            "/workspace:/x:ro:rw",
            "/workspace:x",
            "/workspace:",
            "",
        ] {
            assert!(bind(text).is_err(), "{text}");
        }
    }
}
