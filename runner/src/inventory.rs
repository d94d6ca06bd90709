//! The images that an engine keeps for a person: which names they have, fetching them, forgetting them.

use std::collections::HashMap;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions, RemoveImageOptionsBuilder,
};
use futures_util::TryStreamExt;

use crate::{
    coordinator::RegistryCredential,
    engine::{Engine, EngineError, labels},
    registry::engine_login,
};

/// The id of the image that the engine has under a name; none where it has none.
///
/// # Errors
/// When the engine cannot be asked.
pub async fn find(engine: &Engine, name: &str) -> Result<Option<String>, EngineError> {
    match engine.inspect_image(name).await {
        Ok(found) => Ok(found.id),
        Err(error) => {
            let error = engine.error(format!("look for the image {name}"), &error);
            if error.is_not_found() { Ok(None) } else { Err(error) }
        }
    }
}

/// The names with a tag that the engine has of an image, newest image first.
///
/// # Errors
/// When the engine cannot be asked.
pub async fn names(engine: &Engine, image: &str) -> Result<Vec<String>, EngineError> {
    // The engine leaves Docker Hub's own name out of what it lists.
    let known = image.strip_prefix("docker.io/").unwrap_or(image);
    let known = known.strip_prefix("library/").unwrap_or(known);
    let filters = HashMap::from([("reference".to_owned(), vec![known.to_owned()])]);
    let listed = engine.list_images(Some(ListImagesOptionsBuilder::default().filters(&filters).build())).await;
    let listed = listed.map_err(|error| engine.error(format!("list the images {image}"), &error))?;
    let names = listed.into_iter().flat_map(|image| image.repo_tags);
    Ok(names.filter_map(|name| Some(format!("{image}:{}", name.strip_prefix(known)?.strip_prefix(':')?))).collect())
}

/// The ids of the images without any name that were built from a repository.
///
/// # Errors
/// When the engine cannot be asked.
pub async fn nameless(engine: &Engine, repository: &str) -> Result<Vec<String>, EngineError> {
    let filters = HashMap::from([
        ("dangling".to_owned(), vec!["true".to_owned()]),
        ("label".to_owned(), vec![format!("{}={repository}", labels::SOURCE)]),
    ]);
    let listed = engine.list_images(Some(ListImagesOptionsBuilder::default().filters(&filters).build())).await;
    let listed = listed.map_err(|error| engine.error("list the images without a name", &error))?;
    Ok(listed.into_iter().map(|image| image.id).collect())
}

/// Takes a name off an image, and removes the image with its last one. Gone already is fine.
///
/// # Errors
/// When the engine refuses, as it does while a container uses the image under its last name.
pub async fn forget(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let options: RemoveImageOptions = RemoveImageOptionsBuilder::default().build();
    match engine.remove_image(name, Some(options), None).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let error = engine.error(format!("delete the image {name}"), &error);
            if error.is_not_found() { Ok(()) } else { Err(error) }
        }
    }
}

/// Fetches an image from its registry, and tells of its stages, each once.
///
/// # Errors
/// When the engine or the registry refuses.
pub async fn fetch(
    engine: &Engine,
    name: &str,
    registries: &[RegistryCredential],
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), EngineError> {
    let options = CreateImageOptionsBuilder::default().from_image(name).build();
    let mut reports = engine.create_image(Some(options), None, engine_login(name, registries));
    let mut last = String::new();
    loop {
        let next = reports.try_next().await.map_err(|error| engine.error(format!("pull the image {name}"), &error))?;
        let Some(report) = next else { return Ok(()) };
        // Every layer tells its progress many times a second.
        let status = report.status.unwrap_or_default();
        if !status.is_empty() && status != last && report.progress_detail.is_none_or(|detail| detail.total.is_none()) {
            tell(&status);
            last = status;
        }
    }
}
