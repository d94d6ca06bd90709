//! Secrets of containers whose description holds none of them, and which the engine starts again without us.
//!
//! Before such a container is started for the first time, the program that the runner brings along (see
//! [`inside`](crate::inside)) and a file with the variables are laid into the container's own layer, over the engine's
//! connection: on whatever machine the engine is, they are there at every start, and go with the container. It begins with
//! that program, which becomes the app once it has read the variables, and ends at once where there are none: an app never
//! runs without its secrets, whoever starts it.

use bollard::{
    models::{ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, HealthConfig, ImageConfig},
    query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder},
};
use futures_util::StreamExt as _;

use super::{DockerTarget, TargetError, check_secrets};
use crate::{coordinator::ReleasedApp, inside};

/// Where an image names its users, and how much of that is read.
const USERS: &str = "/etc/passwd";
const MOST: usize = 1024 * 1024;

impl DockerTarget {
    /// What a container of this app is made of, which begins by reading its secrets; without secrets, as it was.
    pub(super) async fn waiting(
        &self,
        name: &str,
        body: ContainerCreateBody,
        app: &ReleasedApp,
    ) -> Result<ContainerCreateBody, TargetError> {
        if app.run.secrets.is_empty() {
            return Ok(body);
        }
        let image = body.image.clone().unwrap_or_default();
        let found = self.engine.inspect_image(&image).await;
        let found = found.map_err(|failure| self.engine.error(format!("inspect the image {image}"), &failure))?;
        reading(body, found.config.unwrap_or_default()).ok_or_else(|| TargetError::Untold {
            name: name.to_owned(),
            why: format!("the image {image} says no command. Give it one, or the app a `command`"),
        })
    }

    /// Lays down what a container of this app reads, unless it was started before: then it has it already.
    pub(super) async fn tell(&self, name: &str, app: &ReleasedApp) -> Result<(), TargetError> {
        if app.run.secrets.is_empty() {
            return Ok(());
        }
        let found = self.engine.inspect_container(name, None).await;
        let found = found.map_err(|failure| self.engine.error(format!("inspect the container {name}"), &failure))?;
        if !is_to_be_told(&found) {
            return Ok(());
        }
        check_secrets(&self.secrets, name, app)?;
        let user = found.config.and_then(|config| config.user).unwrap_or_default();
        let owner = self.number_of(name, &user).await;
        let secrets = app.secrets(&self.secrets).map(|secret| (secret.name.clone(), secret.value.clone()));
        let told = inside::told(&secrets.collect::<Vec<_>>());
        let untold = |why: String| TargetError::Untold { name: name.to_owned(), why };
        let files = inside::archive(&told.map_err(untold)?, owner).map_err(|error| untold(error.to_string()))?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let laid = self.engine.upload_to_container(name, Some(options), bollard::body_full(files.into())).await;
        Ok(laid.map_err(|failure| self.engine.error(format!("tell {name} its secrets"), &failure))?)
    }

    /// The number of a container's user; none where its image does not say it in a way that we understand.
    async fn number_of(&self, container: &str, user: &str) -> Option<u64> {
        let user = user.split(':').next().unwrap_or_default();
        if let Some(number) = number(user) {
            return Some(number);
        }
        let options = DownloadFromContainerOptionsBuilder::default().path(USERS).build();
        let mut parts = Box::pin(self.engine.download_from_container(container, Some(options)));
        let mut read = Vec::new();
        while let Some(part) = parts.next().await {
            read.extend_from_slice(&part.ok()?);
            if read.len() > MOST {
                return None;
            }
        }
        let mut archive = tar::Archive::new(&*read);
        let mut file = archive.entries().ok()?.next()?.ok()?;
        let mut users = String::new();
        std::io::Read::read_to_string(&mut file, &mut users).ok()?;
        named(user, &users)
    }
}

/// A user that is told by its number, or by none: then it is root.
fn number(user: &str) -> Option<u64> {
    if user.is_empty() { Some(0) } else { user.parse::<u32>().ok().map(u64::from) }
}

/// The number of a user that is told by its name, after `passwd(5)`.
fn named(user: &str, users: &str) -> Option<u64> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut own = fields.filter(|fields| fields.first() == Some(&user));
    own.next()?.get(2)?.parse::<u32>().ok().map(u64::from)
}

/// Whether a container begins by reading its secrets, and never did so yet.
fn is_to_be_told(found: &ContainerInspectResponse) -> bool {
    let status = found.state.as_ref().and_then(|state| state.status);
    let begins = found.config.as_ref().and_then(|config| config.entrypoint.as_deref());
    status == Some(ContainerStateStatusEnum::CREATED) && begins == Some(&reads()[..])
}

/// The words by which something begins with the variables in the container's file.
fn reads() -> [String; 3] {
    [inside::PLACE, inside::FROM, inside::TOLD].map(str::to_owned)
}

/// The same container, which begins by reading its secrets, as does what the engine asks it by a command; none where it has no
/// words to begin with.
fn reading(mut body: ContainerCreateBody, image: ImageConfig) -> Option<ContainerCreateBody> {
    let shell = image.shell.clone().unwrap_or_else(|| ["/bin/sh", "-c"].map(str::to_owned).to_vec());
    let asked = body.healthcheck.take().or_else(|| image.healthcheck.clone());
    let words = inside::words(body.entrypoint.take(), body.cmd.take(), image);
    let begins = !words.is_empty();
    body.entrypoint = Some(reads().to_vec());
    body.cmd = Some(words);
    body.healthcheck = asked.map(|asked| asking(asked, shell));
    begins.then_some(body)
}

/// A health check with the container's secrets: a program, or a line for the image's shell.
/// <https://docs.docker.com/reference/dockerfile/#healthcheck>
fn asking(check: HealthConfig, shell: Vec<String>) -> HealthConfig {
    let test = match check.test.as_deref() {
        Some([kind, words @ ..]) if kind == "CMD" => words.to_vec(),
        Some([kind, line @ ..]) if kind == "CMD-SHELL" => shell.into_iter().chain(line.iter().cloned()).collect(),
        _ => return check,
    };
    HealthConfig { test: Some(["CMD".to_owned()].into_iter().chain(reads()).chain(test).collect()), ..check }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Option<Vec<String>> {
        Some(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn a_container_begins_by_reading_and_so_does_its_health_check() {
        let image = |test: &[&str]| ImageConfig {
            cmd: list(&["serve"]),
            entrypoint: list(&["entry.sh"]),
            healthcheck: Some(HealthConfig { test: list(test), retries: Some(3), ..HealthConfig::default() }),
            ..ImageConfig::default()
        };
        let body = ContainerCreateBody { cmd: list(&["work"]), ..ContainerCreateBody::default() };
        let made = |test: &[&str]| reading(body.clone(), image(test)).unwrap();
        let made_of = made(&["CMD-SHELL", "test -n \"$PIN\""]);
        assert_eq!(made_of.entrypoint.unwrap().join(" "), "/.slipway/inside from /.slipway/told");
        assert_eq!(made_of.cmd.unwrap().join(" "), "entry.sh work");
        let check = made_of.healthcheck.unwrap();
        let asks = "CMD /.slipway/inside from /.slipway/told /bin/sh -c test -n \"$PIN\"";
        assert_eq!((check.test.unwrap().join(" ").as_str(), check.retries), (asks, Some(3)));
        let asks = made(&["CMD", "check", "-v"]).healthcheck.unwrap().test.unwrap().join(" ");
        assert_eq!(asks, "CMD /.slipway/inside from /.slipway/told check -v");
        assert_eq!(made(&["NONE"]).healthcheck.unwrap().test, list(&["NONE"]));
        let own = HealthConfig { test: list(&["CMD", "own"]), ..HealthConfig::default() };
        let asked = reading(ContainerCreateBody { healthcheck: Some(own), ..body.clone() }, image(&["CMD", "its"]));
        assert!(asked.unwrap().healthcheck.unwrap().test.unwrap().ends_with(&["own".to_owned()]));
        assert_eq!(reading(ContainerCreateBody::default(), ImageConfig::default()), None, "there is nothing to begin");
    }

    #[test]
    fn users_are_found_by_their_names() {
        let users = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/:/bin/sh\nodd\nodd:x\nodd2:x:y\n";
        assert_eq!((number(""), number("1000"), number("node"), number("-1")), (Some(0), Some(1000), None, None));
        let found = ["node", "root", "nobody", "odd", "odd2"].map(|user| named(user, users));
        assert_eq!(found, [Some(1000), Some(0), None, None, None]);
    }
}
