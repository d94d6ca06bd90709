//! Making sure that an image is on the engine.

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use tokio_util::sync::CancellationToken;

use crate::{
    coordinator::RegistryCredential,
    engine::{Engine, EngineError},
    inventory,
    registry::engine_login,
    reporter::StepLog,
    steps::StepError,
};

/// Pulls an image unless the engine has it.
pub(crate) async fn ensure(
    engine: &Engine,
    image: &str,
    registries: &[RegistryCredential],
    log: &StepLog,
    cancel: &CancellationToken,
) -> Result<(), StepError> {
    if is_there(engine, image).await? {
        return Ok(());
    }
    log.say(format!("pulling {image}")).await;
    tokio::select! {
        pulled = pull(engine, image, registries, log) => pulled,
        () = cancel.cancelled() => Err(StepError::Cancelled),
    }
}

/// The same for whoever has no log yet.
pub(crate) async fn ensure_silently(
    engine: &Engine,
    image: &str,
    registries: &[RegistryCredential],
) -> Result<(), EngineError> {
    if is_there(engine, image).await? {
        return Ok(());
    }
    inventory::fetch(engine, &with_tag(image), registries, &|_| {}).await
}

async fn is_there(engine: &Engine, image: &str) -> Result<bool, EngineError> {
    match engine.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(error) => {
            let error = engine.error(format!("look for the image {image}"), &error);
            if error.is_not_found() { Ok(false) } else { Err(error) }
        }
    }
}

async fn pull(engine: &Engine, image: &str, registries: &[RegistryCredential], log: &StepLog) -> Result<(), StepError> {
    let options = CreateImageOptionsBuilder::default().from_image(&with_tag(image)).build();
    let mut progress = engine.create_image(Some(options), None, engine_login(image, registries));
    loop {
        let failed = |error| {
            let error = engine.error(format!("pull the image {image}"), &error);
            match error {
                crate::engine::EngineError::Refused { message, .. } => StepError::Other(format!(
                    "the image {image} cannot be pulled: {message}. Check its name, and that the Docker engine can \
                     reach its registry"
                )),
                unreachable => unreachable.into(),
            }
        };
        let Some(info) = progress.try_next().await.map_err(failed)? else { return Ok(()) };
        // Every layer tells its progress many times a second; its stages are enough.
        if info.progress_detail.is_none_or(|detail| detail.total.is_none())
            && let Some(status) = info.status
        {
            match info.id {
                Some(id) => log.say(format!("{id}: {status}")).await,
                None => log.say(status).await,
            }
        }
    }
}

/// The name with the tag that is meant when none is written: without one, the engine would pull them all.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(with_tag("busybox"), "busybox:latest");
        assert_eq!(with_tag("127.0.0.1:5000/shop/web"), "127.0.0.1:5000/shop/web:latest");
        assert_eq!(with_tag("127.0.0.1:5000/shop/web:1"), "127.0.0.1:5000/shop/web:1");
        assert_eq!(with_tag("a/b@sha256:00"), "a/b@sha256:00");
    }
}
