//! What a step's container finds on its disk besides its image.

use bollard::models::{Mount, MountType, VolumeCreateRequest};
use slipway_pipelines::config::{self, MountSource};

use super::{Site, StepError, digest::digest};

/// Where a step finds the workspace.
pub(super) const WORKSPACE: &str = "/workspace";
/// How much of the hash a cache volume's name holds.
const HASH_BYTES: usize = 16;

impl Site {
    /// The whole workspace at [`WORKSPACE`].
    pub(super) fn workspace_mount(&self) -> Mount {
        bind(self.workspace.path().display().to_string(), WORKSPACE, false)
    }

    /// The mounts of a `docker run` line; its cache volumes exist afterwards.
    ///
    /// The caller holds the workspace calm if one of them is a part of it.
    pub(super) async fn mounts(&self, asked: &[config::Mount]) -> Result<Vec<Mount>, StepError> {
        let mut mounts = Vec::new();
        for mount in asked {
            mounts.push(match &mount.source {
                MountSource::Workspace { path } => {
                    let host = self.workspace.mountable(path)?.ok_or_else(|| {
                        StepError::Other(format!("`{path}` is to be mounted, and is not in the workspace"))
                    })?;
                    bind(host.display().to_string(), &mount.target, mount.read_only)
                }
                MountSource::Cache { name } => {
                    let volume = self.cache(name).await?;
                    Mount {
                        typ: Some(MountType::VOLUME),
                        source: Some(volume),
                        target: Some(mount.target.clone()),
                        read_only: Some(mount.read_only),
                        ..Mount::default()
                    }
                }
            });
        }
        Ok(mounts)
    }

    /// The name of the repository's cache volume, which exists afterwards.
    async fn cache(&self, name: &str) -> Result<String, StepError> {
        let volume = volume_name(&self.caches, name);
        let request = VolumeCreateRequest {
            name: Some(volume.clone()),
            labels: Some(self.origin.cache()),
            ..VolumeCreateRequest::default()
        };
        let made = self.engine.create_volume(request).await;
        made.map_err(|error| self.engine.error(format!("create the cache volume {volume}"), &error))?;
        Ok(volume)
    }
}

/// Whether some of the mounts are parts of the workspace and not the whole.
pub(super) fn has_partial(asked: &[config::Mount]) -> bool {
    asked.iter().any(|mount| matches!(&mount.source, MountSource::Workspace { path } if path != "."))
}

pub(super) fn bind(source: String, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// A name that people recognise in `docker volume ls` and that no two caches share: whose they are and the cache's
/// name are hashed, as both may hold characters that a volume's name may not. The hash is one for which nobody finds a
/// name that leads to another repository's cache.
fn volume_name(owner: &str, cache: &str) -> String {
    let slug: String = cache
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect::<String>()
        .trim_matches('-')
        .chars()
        .take(24)
        .collect();
    let hash = digest(&[owner, cache], HASH_BYTES);
    format!("slipway-cache-{slug}-{hash}").replace("--", "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names_are_legal_recognisable_and_their_own() {
        let name = volume_name("01JREPO", "~/.m2");
        assert!(name.starts_with("slipway-cache-m2-"), "{name}");
        assert_ne!(name, volume_name("01JREPO", "~/m2"), "two caches");
        assert_ne!(name, volume_name("01JOTHER", "~/.m2"), "two repositories");
        assert_eq!(name.rsplit_once('-').map(|(_, hash)| hash.len()), Some(32), "nobody finds two that are the same");
    }
}
