//! Tagging and pushing an image, and asking the registry what it holds now.

use std::time::Duration;

use bollard::query_parameters::{PushImageOptionsBuilder, RemoveImageOptions, TagImageOptionsBuilder};
use futures_util::TryStreamExt;

use super::{ImageError, outage::Outage};
use crate::{
    coordinator::RegistryCredential,
    engine::{Engine, EngineError},
    registry::{self, Registry, credential_for, engine_login},
    reporter::StepLog,
    signing::Signature,
};

/// How often a push is begun again because another image came in between.
const TRIES: usize = 5;

/// By what means an image is pushed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Means<'a> {
    /// The engine that has it.
    pub(crate) engine: &'a Engine,
    /// The logins.
    pub(crate) registries: &'a [RegistryCredential],
    /// How long the engine may tell no progress.
    pub(crate) silence: Duration,
    /// The log of the push.
    pub(crate) log: &'a StepLog,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// The digest that the registry confirmed for every tag.
    pub(crate) digest: String,
    /// The image's size in bytes, as the engine reports it.
    pub(crate) size: i64,
    /// What it runs on, such as `linux/amd64`, as the engine reports it.
    pub(crate) platform: Option<String>,
}

/// Pushes the image with this id as `name`, gives it every tag there, and asks the registry for each of them. A registry
/// that fails for a moment is borne with.
///
/// The engine's names belong to every repository that is built on it, so that a build which may not push under a name
/// must not change what it means here. The first tag, the only one that the engine gives it, should therefore be one that
/// nobody builds upon, as is the commit's.
pub(crate) async fn push(by: Means<'_>, id: &str, name: &str, tags: &[String]) -> Result<Pushed, ImageError> {
    let mut outage = Outage::default();
    loop {
        match push_once(by, id, name, tags).await {
            Ok(pushed) => return Ok(pushed),
            Err(error) => outage.bear(error, by.log).await?,
        }
    }
}

async fn push_once(by: Means<'_>, id: &str, name: &str, tags: &[String]) -> Result<Pushed, ImageError> {
    let nothing = || ImageError::Push { image: name.to_owned(), cause: "there is no tag to push it under".to_owned() };
    let (first, others) = tags.split_first().ok_or_else(nothing)?;
    let registry = Registry::new(by.registries);
    // 1. The layers, once, under the first tag.
    let digest = send_own(by, &registry, id, name, first).await?;
    // 2. The other tags by the manifest that the registry holds now.
    tag_all(&registry, name, &digest, others, by.log).await?;
    let inspected = by.engine.inspect_image(id).await;
    let image = inspected.map_err(|error| by.engine.error("inspect the pushed image", &error))?;
    let size = image.size.unwrap_or(0);
    let parts = [image.os, image.architecture, image.variant].into_iter().flatten().filter(|part| !part.is_empty());
    let platform = Some(parts.collect::<Vec<_>>().join("/")).filter(|platform| !platform.is_empty());
    Ok(Pushed { digest, size, platform })
}

/// Gives an image that the registry holds every tag there, by its manifest alone, and asks the registry for each of them.
pub(crate) async fn tag_pushed(
    registry: &Registry,
    name: &str,
    digest: &str,
    tags: &[String],
    log: &StepLog,
) -> Result<(), ImageError> {
    let mut outage = Outage::default();
    loop {
        match tag_all(registry, name, digest, tags, log).await {
            Ok(()) => return Ok(()),
            Err(error) => outage.bear(error, log).await?,
        }
    }
}

/// Adds a signature to those on an image that the registry holds, and answers with the digest of what holds them.
pub(crate) async fn sign_pushed(
    registry: &Registry,
    (name, digest): (&str, &str),
    signature: &Signature,
    log: &StepLog,
) -> Result<String, ImageError> {
    let mut outage = Outage::default();
    loop {
        match registry.sign(name, digest, signature).await {
            Ok(signed) => return Ok(signed),
            Err(error) => outage.bear(error.into(), log).await?,
        }
    }
}

async fn tag_all(
    registry: &Registry,
    name: &str,
    digest: &str,
    tags: &[String],
    log: &StepLog,
) -> Result<(), ImageError> {
    for tag in tags {
        let image = format!("{name}:{tag}");
        log.say(format!("tagging {image}")).await;
        registry.tag(name, digest, tag).await?;
        let found = confirmed(registry, &image).await?;
        if found != digest {
            return Err(ImageError::OtherDigest { image, found, expected: digest.to_owned() });
        }
    }
    log.say(format!("the registry confirmed {digest}")).await;
    Ok(())
}

/// Pushes the image under a tag until the registry holds this very image there, and answers with its digest.
///
/// The engine pushes whatever has the name when it begins, and another build of the same branch may have given that name
/// to its own image since. What an image was pushed as stands in its digests.
async fn send_own(by: Means<'_>, registry: &Registry, id: &str, name: &str, tag: &str) -> Result<String, ImageError> {
    let Means { engine, log, .. } = by;
    let image = format!("{name}:{tag}");
    for _ in 0..TRIES {
        log.say(format!("pushing {image}")).await;
        let before = named(engine, &image).await?;
        give_name(engine, id, name, tag).await?;
        if let Err(error) = send(by, name, tag).await {
            take_back(engine, before, name, tag).await?;
            return Err(error);
        }
        if let Some(before) = before.filter(|before| before != id) {
            forget_nameless(engine, &before).await;
        }
        let digest = confirmed(registry, &image).await?;
        let inspected = engine.inspect_image(id).await;
        let pushed_as = inspected.map_err(|error| engine.error("inspect the pushed image", &error))?.repo_digests;
        if pushed_as.into_iter().flatten().any(|known| known.ends_with(&format!("@{digest}"))) {
            return Ok(digest);
        }
        log.say(format!("another image was pushed as {image} at the same moment")).await;
    }
    let cause =
        format!("other images were pushed under this tag {TRIES} times at the same moment; build the commit again");
    Err(ImageError::Push { image, cause })
}

/// Removes an image that lost its last name. One that was pushed is still named by its digest, and stays for rollbacks;
/// one whose push was cut off has none, and would stay for ever, for nobody.
async fn forget_nameless(engine: &Engine, id: &str) {
    let Ok(found) = engine.inspect_image(id).await else { return };
    let names = found.repo_tags.iter().chain(&found.repo_digests).map(Vec::len).sum::<usize>();
    if names > 0 {
        return;
    }
    if let Err(error) = engine.remove_image(id, None::<RemoveImageOptions>, None).await {
        tracing::debug!(%id, %error, "an image that lost its name was not removed");
    }
}

/// The digest that the registry states for a tag that was just set.
async fn confirmed(registry: &Registry, image: &str) -> Result<String, ImageError> {
    registry.digest(image).await?.ok_or_else(|| ImageError::Push {
        image: image.to_owned(),
        cause: "the push went well, but the registry does not know the tag".to_owned(),
    })
}

/// The id of the image that the engine has under a name.
async fn named(engine: &Engine, image: &str) -> Result<Option<String>, EngineError> {
    match engine.inspect_image(image).await {
        Ok(found) => Ok(found.id),
        Err(error) => {
            let error = engine.error(format!("look for the image {image}"), &error);
            if error.is_not_found() { Ok(None) } else { Err(error) }
        }
    }
}

async fn give_name(engine: &Engine, id: &str, name: &str, tag: &str) -> Result<(), EngineError> {
    let options = TagImageOptionsBuilder::default().repo(name).tag(tag).build();
    let tagged = engine.tag_image(id, Some(options)).await;
    tagged.map_err(|error| engine.error(format!("tag the image as {name}:{tag}"), &error))
}

/// Lets a name mean again what it meant before.
async fn take_back(engine: &Engine, before: Option<String>, name: &str, tag: &str) -> Result<(), EngineError> {
    if let Some(before) = before {
        return give_name(engine, &before, name, tag).await;
    }
    let image = format!("{name}:{tag}");
    let removed = engine.remove_image(&image, None::<RemoveImageOptions>, None).await;
    match removed.map_err(|error| engine.error(format!("remove the image name {image}"), &error)) {
        // Gone already is as good: what went wrong before is what people must read.
        Err(error) if error.is_not_found() => Ok(()),
        done => done.map(drop),
    }
}

async fn send(by: Means<'_>, name: &str, tag: &str) -> Result<(), ImageError> {
    let Means { engine, registries, silence, log } = by;
    let options = PushImageOptionsBuilder::default().tag(tag).build();
    let mut progress = std::pin::pin!(engine.push_image(name, Some(options), engine_login(name, registries)));
    let mut last = String::new();
    loop {
        let next = match tokio::time::timeout(silence, progress.try_next()).await {
            Ok(next) => next,
            Err(_) => {
                return Err(down(name, format!("no progress for {} s", silence.as_secs())));
            }
        };
        let next = next.map_err(|error| {
            explain(engine.error(format!("push {name}:{tag}"), &error), name, &format!("{name}:{tag}"), registries)
        })?;
        let Some(info) = next else { return Ok(()) };
        // Every layer tells its progress many times a second; its stages are enough.
        let status = info.status.unwrap_or_default();
        if !status.is_empty() && status != last {
            log.say(status.clone()).await;
            last = status;
        }
    }
}

/// Names the registry and the remedy. The engine passes on what it met as text only.
fn explain(error: EngineError, name: &str, image: &str, registries: &[RegistryCredential]) -> ImageError {
    let EngineError::Refused { message, .. } = error else { return error.into() };
    let host = registry::host(name).unwrap_or_else(|_| name.to_owned());
    let says = |words: &[&str]| words.iter().any(|word| message.to_ascii_lowercase().contains(word));
    if says(&["unauthorized", "no basic auth", "authentication required", "denied", "401", "403"]) {
        let username = credential_for(name, registries).map(|credential| credential.username.clone());
        ImageError::LoginRefused { host, username, cause: message }
    } else if says(&["dial tcp", "connection refused", "no such host", "i/o timeout", "timeout", "eof", "tls:", "x509"])
    {
        ImageError::RegistryDown { host, cause: message }
    } else if says(&[
        "http status: 5",
        "http 5",
        "http 429",
        "toomanyrequests",
        "too many requests",
        "internal server error",
        "unavailable",
    ]) {
        ImageError::RegistryFailing { host, cause: message }
    } else {
        ImageError::Push { image: image.to_owned(), cause: message }
    }
}

fn down(name: &str, cause: String) -> ImageError {
    ImageError::RegistryDown { host: registry::host(name).unwrap_or_else(|_| name.to_owned()), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> EngineError {
        EngineError::Refused { doing: "push".to_owned(), status: 0, message: message.to_owned() }
    }

    #[test]
    fn a_refused_login_names_who_and_what_to_do() {
        let registries = [RegistryCredential {
            host: "registry.example.com".to_owned(),
            username: "ci".to_owned(),
            password: "secret".to_owned(),
        }];
        let image = "registry.example.com/shop/web";
        let said = |registries: &[RegistryCredential]| {
            explain(refused("unauthorized: authentication required"), image, image, registries).to_string()
        };
        assert_eq!(
            said(&registries),
            "the registry registry.example.com refused the login of `ci`: unauthorized: authentication required. \
             Correct the credential for registry.example.com in Slipway"
        );
        assert_eq!(
            said(&[]),
            "the registry registry.example.com asks for a login: unauthorized: authentication required. \
             Add a credential for registry.example.com to Slipway"
        );
    }

    #[test]
    fn a_registry_that_is_down_is_told_from_one_that_refuses() {
        let message = "Get \"http://127.0.0.1:5001/v2/\": dial tcp 127.0.0.1:5001: connect: connection refused";
        let error = explain(refused(message), "127.0.0.1:5001/shop/web", "x", &[]);
        assert!(matches!(&error, ImageError::RegistryDown { host, .. } if host == "127.0.0.1:5001"), "{error}");
        let failing = "received unexpected HTTP status: 503 Service Unavailable";
        let error = explain(refused(failing), "127.0.0.1:5001/shop/web", "x", &[]);
        assert!(error.may_pass() && matches!(&error, ImageError::RegistryFailing { .. }), "{error}");
        assert!(matches!(explain(refused("blob unknown"), "a.example.com/x", "x", &[]), ImageError::Push { .. }));
    }
}
