//! What keeps builds that reach the internet from the machine they run on.
//!
//! The rules are the embedded program's (`runner/inside/guard.rs`). It runs for a moment in the network of the engine's
//! machine, in a container that may do nothing else there: so they are put up also by a runner that is in a container itself,
//! and for an engine that is elsewhere or has a namespace of its own. Somebody may flush them at any time, with all rules of
//! the machine; each build puts them up anew, while it is being checked out.

use std::time::Duration;

use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::CreateContainerOptionsBuilder,
};
use futures_util::StreamExt as _;

use super::{Leftovers, limits::kept_output, network::BRIDGES};
use crate::{
    engine::{Engine, EngineError, labels::Origin},
    inside::{GUARD, IN_IMAGE, Inside},
};

/// How long it may take once it is started.
const PATIENCE: Duration = Duration::from_secs(60);
/// Its bounds.
const MEMORY: i64 = 32 * 1024 * 1024;
const PIDS: i64 = 16;

const DOING: &str = "put up the rules that keep builds from its machine";
const REMEDY: &str = "Builds are begun with these rules only: let its kernel have nf_tables, with ct and reject, or let builds \
                      reach the machine (runner.step_network = \"unguarded\")";

/// Has the rules up in the network of the engine's machine.
///
/// # Errors
/// When they are not: nothing may be begun then.
pub(super) async fn ensure(engine: &Engine, origin: &Origin, leftovers: &Leftovers) -> Result<(), EngineError> {
    let name = origin.guard_container();
    let ended = put_up(engine, origin, leftovers, &name).await;
    let (at, all) = (engine.clone(), leftovers.clone());
    leftovers.spawn(async move { all.remove_container(&at, &name).await });
    ended.map_err(|error| match error {
        EngineError::Refused { status, message, .. } => {
            EngineError::Refused { doing: DOING.to_owned(), status, message: format!("{message}. {REMEDY}") }
        }
        error @ EngineError::Unreachable { .. } => error,
    })
}

async fn put_up(engine: &Engine, origin: &Origin, leftovers: &Leftovers, name: &str) -> Result<(), EngineError> {
    let image = Inside::image(engine).await?;
    let create = || async {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let made = engine.create_container(Some(options), describe(origin, image.clone())).await;
        made.map(drop).map_err(|error| engine.error(format!("create the container {name}"), &error))
    };
    match create().await {
        // An earlier life's, which tells nothing of how things are now.
        Err(error) if error.is_conflict() => {
            leftovers.remove_container(engine, name).await;
            create().await?;
        }
        made => made?,
    }
    let started = engine.start_container(name, None).await;
    started.map_err(|error| engine.error(format!("start the container {name}"), &error))?;
    let refused = |message: String| EngineError::Refused { doing: DOING.to_owned(), status: 0, message };
    let mut waiting = std::pin::pin!(engine.wait_container(name, None));
    match tokio::time::timeout(PATIENCE, waiting.next()).await {
        Ok(Some(Ok(_))) => Ok(()),
        Ok(Some(Err(bollard::errors::Error::DockerContainerWaitError { .. }))) => {
            Err(refused(engine.helper_says(name).await))
        }
        Ok(Some(Err(error))) => Err(engine.error(format!("wait for the container {name}"), &error)),
        Ok(None) => Err(refused("it did not tell how that ended".to_owned())),
        Err(_) => Err(refused(format!("it was not done within {} s", PATIENCE.as_secs()))),
    }
}

fn describe(origin: &Origin, image: String) -> ContainerCreateBody {
    let interfaces = format!("{BRIDGES}*");
    let some = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect());
    ContainerCreateBody {
        image: Some(image),
        entrypoint: some(&[IN_IMAGE, GUARD, &interfaces]),
        labels: Some(origin.guard()),
        host_config: Some(HostConfig {
            network_mode: Some("host".to_owned()),
            // Rights over that network are those of its own user namespace alone.
            userns_mode: Some("host".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: some(&["ALL"]),
            cap_add: some(&["NET_ADMIN"]),
            // SELinux lets no confined container speak with the packet filter.
            security_opt: some(&["no-new-privileges", "label=disable"]),
            memory: Some(MEMORY),
            memory_swap: Some(MEMORY),
            pids_limit: Some(PIDS),
            log_config: Some(kept_output()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}
