//! The images that a build's steps know: those they made, those the build made, and what the engine or a registry has
//! under a public name.
//!
//! What a step names gets a name of the build's own on the engine. Under the one that it asked for, another build could
//! take it for the real thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{own::is_hex, refusal::Refusal, scope::Scope};
use bollard::auth::DockerCredentials;

use crate::{
    engine::{
        EngineError,
        labels::{self, Origin},
    },
    registry::engine_login,
};

/// How many names one build may give or use.
const NAMES_LIMIT: usize = 500;
/// The longest name of an image.
const NAME_LENGTH: usize = 512;

/// The images that one build knows by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImageNames(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    names: BTreeMap<String, Named>,
    /// The names that the plan has, in one spelling and without tag or digest.
    planned: BTreeSet<String>,
    count: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// A step gave the name; the engine's is within.
    Made(String),
    /// The build made it for an app; the engine's name is within.
    Built(String),
    /// The engine has it under this name.
    Public,
}

impl ImageNames {
    /// Lets steps find an image that the build has just made: under the name that it will be pushed as, they get this one.
    pub(crate) fn built(&self, image: &str, local: &str) {
        if let Ok(name) = normal(image) {
            self.lock().names.insert(name, Named::Built(local.to_owned()));
        }
    }

    /// Notes an image that the plan names, under whatever tag.
    pub(crate) fn planned(&self, image: &str) {
        if let Ok(name) = normal(image) {
            self.lock().planned.insert(without_tag(&name).to_owned());
        }
    }

    /// Whether the plan names this image, under whatever tag.
    pub(super) fn is_planned(&self, name: &str) -> bool {
        self.lock().planned.contains(without_tag(name))
    }

    /// What is known under a name.
    pub(super) fn get(&self, name: &str) -> Option<Named> {
        self.lock().names.get(name).cloned()
    }

    /// The engine's name for an image that a step is about to give this name.
    pub(super) fn give(&self, name: &str, origin: &Origin) -> Result<String, Refusal> {
        let mut inner = self.lock();
        if let Some(Named::Made(real)) = inner.names.get(name) {
            return Ok(real.clone());
        }
        if inner.names.len() >= NAMES_LIMIT {
            return Err(Refusal::forbidden(format!("more than {NAMES_LIMIT} names of images in one build")));
        }
        inner.count += 1;
        let real = origin.scoped_image(inner.count);
        inner.names.insert(name.to_owned(), Named::Made(real.clone()));
        Ok(real)
    }

    /// Notes that a step uses a public image.
    pub(super) fn used(&self, name: &str) {
        let mut inner = self.lock();
        if inner.names.len() < NAMES_LIMIT {
            inner.names.entry(name.to_owned()).or_insert(Named::Public);
        }
    }

    pub(super) fn forget(&self, name: &str) {
        self.lock().names.remove(name);
    }

    /// The engine's names with those of the steps.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let inner = self.lock();
        let pair = |(name, named): (&String, &Named)| match named {
            Named::Made(real) | Named::Built(real) => Some((real.clone(), name.clone())),
            Named::Public => None,
        };
        let mut pairs: Vec<_> = inner.names.iter().filter_map(pair).collect();
        // The longer ones first: `…-s12` begins with `…-s1`.
        pairs.sort_unstable_by_key(|(real, _)| std::cmp::Reverse(real.len()));
        pairs
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name with its tag, in the spelling in which two names of one image are equal.
/// <https://github.com/distribution/reference>
pub(super) fn normal(asked: &str) -> Result<String, Refusal> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    if asked.is_empty() || asked.len() > NAME_LENGTH || !asked.chars().all(legal) {
        return Err(Refusal::bad(format!("`{asked}` is no name of an image")));
    }
    let mut name = asked;
    while let Some(rest) =
        ["docker.io/", "index.docker.io/", "library/"].iter().find_map(|start| name.strip_prefix(start))
    {
        name = rest;
    }
    let last = name.rsplit('/').next().unwrap_or(name);
    Ok(if last.contains([':', '@']) { name.to_owned() } else { format!("{name}:latest") })
}

/// A name in its one spelling without its tag or digest.
fn without_tag(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    // A colon before the last slash belongs to the registry's port.
    name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name)
}

/// Whether the engine's name belongs to some build, this one or another.
pub(super) fn is_a_builds(name: &str) -> bool {
    name.starts_with("slipway-")
}

impl Scope {
    /// What the engine knows an image by which a step names. That it exists is not said, except of ids.
    pub(super) async fn image(&self, asked: &str) -> Result<String, Refusal> {
        let missing = || Refusal::missing("image", asked);
        let name = normal(asked).map_err(|_| missing())?;
        match self.images.get(&name) {
            Some(Named::Made(real) | Named::Built(real)) => return Ok(real),
            Some(Named::Public) | None => {}
        }
        let id = asked.strip_prefix("sha256:");
        if id.is_some_and(is_hex) || (is_hex(asked) && asked.len() >= 6) {
            if self.may_use_id(asked).await? {
                return Ok(asked.to_owned());
            }
            if id.is_some() {
                return Err(missing());
            }
        }
        if is_a_builds(&name) || name.starts_with("sha256:") {
            return Err(missing());
        }
        self.may_use(&name).await?;
        Ok(name)
    }

    /// Whether a step may use the image of a name that the build did not give. A script is nobody's plan: what it names of
    /// its own accord it gets as everybody does, without a login.
    pub(super) async fn may_use(&self, name: &str) -> Result<(), Refusal> {
        let judged = if self.images.is_planned(name) {
            self.rights.check(name).await
        } else {
            self.rights.check_unplanned(name).await
        };
        judged.map_err(|why| Refusal::forbidden(why.to_string()))
    }

    /// The login that an image is fetched with: that of its registry, where the plan names the image.
    pub(super) fn login(&self, name: &str) -> Option<DockerCredentials> {
        self.images.is_planned(name).then(|| engine_login(name, &self.registries)).flatten()
    }

    /// Whether an id is of an image that a step made, or one that has a name which every step may use.
    async fn may_use_id(&self, id: &str) -> Result<bool, Refusal> {
        let found = match self.engine.inspect_image(id).await {
            Ok(found) => found,
            Err(error) => {
                let error: EngineError = self.engine.error("look for the image", &error);
                return if error.is_not_found() { Ok(false) } else { Err(error.into()) };
            }
        };
        // A name of other images may look like an id; what was meant is an id.
        let digits = id.strip_prefix("sha256:").unwrap_or(id);
        if !found.id.as_deref().is_some_and(|id| id.trim_start_matches("sha256:").starts_with(digits)) {
            return Ok(false);
        }
        let mark = found.config.and_then(|config| config.labels).and_then(|labels| labels.get(labels::SOCKET).cloned());
        if mark.is_some_and(|mark| mark == self.origin.socket_mark()) {
            return Ok(true);
        }
        let own = self.images.pairs();
        for name in found.repo_tags.unwrap_or_default() {
            if own.iter().any(|(real, _)| *real == name) || (!is_a_builds(&name) && self.may_use(&name).await.is_ok()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (asked, name) in [
            ("web", "web:latest"),
            ("docker.io/library/web:latest", "web:latest"),
            ("reg:5000/shop/web", "reg:5000/shop/web:latest"),
            ("a/b@sha256:00", "a/b@sha256:00"),
        ] {
            assert_eq!(normal(asked).unwrap(), name);
        }
        for wrong in ["", "a b", "a?b", "a%2fb", "ä"] {
            assert!(normal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn given_names_stay_and_hide_built_ones() {
        let origin = Origin {
            runner: "r".to_owned(),
            incarnation: "i".to_owned(),
            job: "j".to_owned(),
            attempt: 1,
            repository: "p".to_owned(),
        };
        let names = ImageNames::default();
        names.built("reg/web", "slipway-j-1:r.i-3");
        assert_eq!(names.get("reg/web:latest"), Some(Named::Built("slipway-j-1:r.i-3".to_owned())));
        let real = names.give("reg/web:latest", &origin).unwrap();
        assert_eq!(real, "slipway-j-1:r.i-s1");
        assert_eq!(names.give("reg/web:latest", &origin).unwrap(), real, "the same again");
        assert_eq!(names.pairs(), [(real, "reg/web:latest".to_owned())]);
        for count in 2..=NAMES_LIMIT {
            names.give(&format!("x{count}:latest"), &origin).unwrap();
        }
        assert_eq!(names.give("one:more", &origin).unwrap_err().status, 403);
    }
}
