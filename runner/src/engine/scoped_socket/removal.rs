//! Removing what builds made through their sockets, apart from what goes with every build: labelled containers and
//! networks of earlier lives.

use std::collections::HashMap;

use bollard::{
    models::{ContainerSummary, ImageSummary},
    query_parameters::{
        ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
        RemoveContainerOptionsBuilder, RemoveImageOptions, RemoveVolumeOptionsBuilder,
    },
};

use crate::engine::{
    Engine, EngineError,
    labels::{self, Earlier, Origin},
};

/// How often images are gone through: one that another was built on can be removed only after that one.
const ROUNDS: usize = 32;

/// Removes what one build made, once its containers are gone.
pub(crate) async fn remove_of_build(engine: &Engine, origin: &Origin) {
    let mark = origin.socket_mark();
    if let Err(error) = remove(engine, &format!("{}={mark}", labels::SOCKET), &|found| found == mark).await {
        tracing::warn!(%error, "what a build made was not removed; the next start tries again");
    }
}

/// Removes what builds of the runner's earlier lives made, except for those that go on.
///
/// # Errors
/// When the engine cannot be asked.
pub(crate) async fn remove_earlier(engine: &Engine, earlier: &Earlier) -> Result<(), EngineError> {
    remove(engine, labels::SOCKET, &|mark| earlier.left_mark(mark)).await
}

/// Removes all that has a label and whose mark is meant. What is refused now is tried again by the next look.
async fn remove(engine: &Engine, label: &str, meant: &(dyn Fn(&str) -> bool + Sync)) -> Result<(), EngineError> {
    let filter = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
    let of_build = |found: &HashMap<String, String>| found.get(labels::SOCKET).is_some_and(|mark| meant(mark));
    // 1. Containers: those of `docker build` have the label from the image that they make.
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
    let found = engine.list_containers(Some(options)).await;
    for container in found.map_err(|error| engine.error("list the containers of builds", &error))? {
        if let ContainerSummary { id: Some(id), labels: Some(found), .. } = container
            && found.get(labels::KIND).is_none_or(|kind| kind == labels::KIND_STEP)
            && of_build(&found)
        {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            tell(engine, &id, engine.remove_container(&id, Some(options)).await);
        }
    }
    // 2. Networks and volumes.
    let found = engine.list_networks(Some(ListNetworksOptionsBuilder::default().filters(&filter).build())).await;
    for network in found.map_err(|error| engine.error("list the networks of builds", &error))? {
        if network.labels.as_ref().is_some_and(of_build)
            && let Some(id) = network.id
        {
            tell(engine, &id, engine.remove_network(&id).await);
        }
    }
    let found = engine.list_volumes(Some(ListVolumesOptionsBuilder::default().filters(&filter).build())).await;
    let found = found.map_err(|error| engine.error("list the volumes of builds", &error))?;
    for volume in found.volumes.unwrap_or_default() {
        if of_build(&volume.labels) {
            let options = RemoveVolumeOptionsBuilder::default().force(true).build();
            tell(engine, &volume.name, engine.remove_volume(&volume.name, Some(options)).await);
        }
    }
    remove_images(engine, &filter, &of_build).await
}

/// Takes Slipway's names off the images, and removes those that nobody names any more. Images that were pushed or pulled
/// may have the label, too, from one that they were built on: they keep their names and stay.
async fn remove_images(
    engine: &Engine,
    filter: &HashMap<String, Vec<String>>,
    meant: &(dyn Fn(&HashMap<String, String>) -> bool + Sync),
) -> Result<(), EngineError> {
    for _ in 0..ROUNDS {
        let options = ListImagesOptionsBuilder::default().all(true).filters(filter).build();
        let found = engine.list_images(Some(options)).await;
        let found = found.map_err(|error| engine.error("list the images of builds", &error))?;
        let mut progress = false;
        for image in found.iter().filter(|image| meant(&image.labels)) {
            for name in names_of(image) {
                progress |= engine.remove_image(&name, None::<RemoveImageOptions>, None).await.is_ok();
            }
        }
        if !progress {
            break;
        }
    }
    Ok(())
}

/// By what an image is removed: the names that builds gave it, or its id when it has none at all.
fn names_of(image: &ImageSummary) -> Vec<String> {
    let real = |name: &&String| !name.starts_with("<none>");
    let tags: Vec<&String> = image.repo_tags.iter().filter(real).collect();
    if tags.is_empty() && image.repo_digests.iter().filter(real).count() == 0 {
        return vec![image.id.clone()];
    }
    tags.into_iter().filter(|name| name.starts_with("slipway-") && name.contains("-s")).cloned().collect()
}

/// What is gone already is fine.
fn tell(engine: &Engine, what: &str, removed: Result<(), bollard::errors::Error>) {
    if let Err(error) = removed.map_err(|error| engine.error(format!("remove {what}"), &error))
        && !error.is_not_found()
    {
        tracing::warn!(%error, "something that a build made was not removed; the next look tries again");
    }
}
