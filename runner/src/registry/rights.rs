//! Which images a job may use of those that its engine has already.
//!
//! An engine gives what it has to whoever names it, also what was fetched with somebody else's login. So what is of a
//! registry whose login a job was not given is used by it only where the registry gives it to everybody, and that is asked
//! of the registry.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use super::{
    Registry, RegistryError,
    names::{canonical_host, host},
};
use crate::coordinator::RegistryCredential;

/// What names on the engine begin with that builds give to what they make.
const OF_BUILDS: &str = "slipway-";
/// What the engine takes from the beginning of a name.
const OF_HUB: [&str; 3] = ["docker.io/", "index.docker.io/", "library/"];

/// The images that one job may use.
#[derive(Debug)]
pub(crate) struct ImageRights {
    /// The hosts whose login the job was given.
    given: BTreeSet<String>,
    /// The hosts that have a login which the job was not given.
    withheld: BTreeSet<String>,
    /// Asks without any login.
    anybody: Registry,
    /// What everybody may have, as its registry said during this job.
    open: Mutex<BTreeSet<String>>,
}

/// Why a job may not use an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImageRefused {
    /// It is a build's own.
    #[error(
        "the image {image} cannot be used: names that begin with {OF_BUILDS} are those of builds. Name the app, or what was pushed"
    )]
    OfBuild {
        /// The name.
        image: String,
    },
    /// It was named by its id.
    #[error("the image {image} cannot be used by its id: name it as its registry does")]
    Id {
        /// The id.
        image: String,
    },
    /// It is behind a login that is not this job's.
    #[error(
        "the image {image} cannot be used: there is a login for {host} which is not for this, and without it: {cause}. \
         `slipway registry login {host} --repository …` says whose it is"
    )]
    Login {
        /// The image.
        image: String,
        /// Its registry.
        host: String,
        /// What the registry said.
        cause: String,
    },
}

impl ImageRights {
    /// The rights of a job that was given these logins, while others are not for it.
    pub(crate) fn new(given: &[RegistryCredential], withheld: &[String]) -> Self {
        ImageRights {
            given: given.iter().map(|login| canonical_host(&login.host)).collect(),
            withheld: withheld.iter().map(|host| canonical_host(host)).collect(),
            anybody: Registry::new(&[]),
            open: Mutex::default(),
        }
    }

    /// Whether there is any registry whose images the job may not have.
    pub(crate) fn are_bounded(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// Judges an image that the plan or a Dockerfile names.
    pub(crate) async fn check(&self, image: &str) -> Result<(), ImageRefused> {
        let mut name = image;
        while let Some(rest) = OF_HUB.iter().find_map(|prefix| name.strip_prefix(prefix)) {
            name = rest;
        }
        if name.starts_with(OF_BUILDS) {
            return Err(ImageRefused::OfBuild { image: image.to_owned() });
        }
        self.check_among(image, |host| self.withheld.contains(host)).await
    }

    /// Judges an image that nothing but a script names, for which there is no login at all.
    pub(crate) async fn check_unplanned(&self, image: &str) -> Result<(), ImageRefused> {
        self.check_among(image, |host| self.withheld.contains(host) || self.given.contains(host)).await
    }

    async fn check_among(&self, image: &str, is_guarded: impl Fn(&str) -> bool) -> Result<(), ImageRefused> {
        // What no registry could be asked for, the engine does not have either.
        let Ok(host) = host(image) else { return Ok(()) };
        if !is_guarded(&host) || self.open().contains(image) {
            return Ok(());
        }
        let refused = |cause: String| ImageRefused::Login { image: image.to_owned(), host: host.clone(), cause };
        match self.anybody.digest(image).await {
            Ok(Some(_)) => {
                self.open().insert(image.to_owned());
                Ok(())
            }
            Ok(None) => Err(refused("the registry does not know the image".to_owned())),
            Err(RegistryError::Refused { .. }) => Err(refused("the registry does not give it to everybody".to_owned())),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn rights() -> ImageRights {
        let given = RegistryCredential { host: "own.example".into(), username: "ann".into(), password: "pw".into() };
        ImageRights::new(&[given], &["127.0.0.1:1".to_owned()])
    }

    #[tokio::test]
    async fn what_no_login_guards_needs_no_question() {
        for image in ["busybox:latest", "own.example/shop/web", "other.example/x:1"] {
            rights().check(image).await.unwrap();
        }
        rights().check_unplanned("busybox:latest").await.unwrap();
    }

    #[tokio::test]
    async fn a_registry_that_does_not_say_yes_means_no() {
        let refused = rights().check("127.0.0.1:1/shop/secret:v1").await.unwrap_err().to_string();
        assert!(refused.contains("there is a login for 127.0.0.1:1 which is not for this"), "{refused}");
        for image in ["slipway-job-1:r.i-3", "docker.io/library/slipway-job-1:r.i-3", "library/slipway-job-1:r.i-3"] {
            assert!(matches!(rights().check(image).await, Err(ImageRefused::OfBuild { .. })), "{image}");
        }
    }
}
