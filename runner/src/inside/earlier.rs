//! What other versions left of their programs.

use std::{collections::HashSet, fs, path::Path};

use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions};

use super::{Inside, image::REPOSITORY, program};
use crate::engine::{Engine, EngineError};

impl Inside {
    /// Removes the programs of other versions that no container of this engine uses: their files in this folder, and
    /// their images.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub(crate) async fn remove_earlier(&self, engine: &Engine) -> Result<(), EngineError> {
        let all = ListContainersOptionsBuilder::default().all(true).build();
        let found = engine.list_containers(Some(all)).await;
        let found = found.map_err(|error| engine.error("list the containers", &error))?;
        let mounts = found.into_iter().flat_map(|container| container.mounts.unwrap_or_default());
        remove_files(self.folder(), &mounts.filter_map(|mount| mount.source).collect());

        let named = [("reference".to_owned(), vec![REPOSITORY.to_owned()])].into();
        let options = ListImagesOptionsBuilder::default().filters(&named).build();
        let found = engine.list_images(Some(options)).await;
        let found = found.map_err(|error| engine.error("list the images of earlier programs", &error))?;
        // Each image is listed with all of its names, those of other people among them.
        for name in found.iter().flat_map(|image| &image.repo_tags).filter(|name| is_earlier(name)) {
            if let Err(error) = engine.remove_image(name, None::<RemoveImageOptions>, None).await {
                tracing::debug!(%error, name, "an earlier program's image stays; a container uses it, or it is gone");
            }
        }
        Ok(())
    }
}

/// Whether an image's name is that of another version's program. Podman has such names below `localhost`.
fn is_earlier(name: &str) -> bool {
    let tag = name.strip_prefix("localhost/").unwrap_or(name).strip_prefix(REPOSITORY);
    tag.and_then(|rest| rest.strip_prefix(':')).is_some_and(|tag| tag != program::name())
}

/// Removes the programs in a folder that are not this version's and that nobody mounts.
fn remove_files(folder: &Path, mounted: &HashSet<String>) {
    // It is made when the program is needed.
    let Ok(folder) = folder.canonicalize() else { return };
    let own = program::name();
    let is_program = |name: &str| name.len() == own.len() && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = file.path();
        let is_other = file.file_name().to_str().is_some_and(|name| name != own && is_program(name));
        if is_other
            && path.to_str().is_some_and(|path| !mounted.contains(path))
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(%error, path = %path.display(), "an earlier program was not removed; the next start tries again");
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn only_images_of_other_programs_are_earlier_ones() {
        let own = format!("slipway-inside:{}", program::name());
        let names = [&own, "busybox:latest", "acme/slipway-inside:1", "slipway-inside-not:1", "<none>:<none>"];
        assert!(names.iter().all(|name| !is_earlier(name)));
        assert!(!is_earlier(&format!("localhost/{own}")));
        assert!(is_earlier("slipway-inside:1") && is_earlier("localhost/slipway-inside:1"));
    }

    #[test]
    fn programs_of_other_versions_go_unless_a_container_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let own = Inside::in_folder(folder.path().to_owned()).path().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let other = |digit: &str| folder.join(digit.repeat(32));
        let names = [other("a"), other("b"), folder.join("notes")];
        names.iter().for_each(|name| fs::write(name, "").unwrap());
        remove_files(&folder, &[other("b").display().to_string()].into());
        assert!(own.exists() && !other("a").exists() && other("b").exists() && folder.join("notes").exists());
        remove_files(&folder.join("nowhere"), &HashSet::new());
    }
}
