//! Secrets of containers whose description holds none of them, and which the engine starts again without us.
//!
//! Before such a container is started for the first time, the program that the runner brings along (see
//! [`inside`](crate::inside)) and a file with the variables are laid into the container's own layer, over the engine's
//! connection: on whatever machine the engine is, they are there at every start, and go with the container. It begins with
//! that program, which becomes the app once it has read the variables, and ends at once where there are none: an app never
//! runs without its secrets, whoever starts it. Whenever we start it ourselves it is told anew, as the file may be lost.

use std::{ops::RangeInclusive, path::Path};

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
/// The folder of what is laid into containers.
const FOLDER: &str = "/.slipway";
/// How a container ends that cannot begin: it was told nothing, or its program cannot be run or is gone.
const UNTOLD: RangeInclusive<i64> = 125..=127;

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

    /// Lays down what a container of this app reads, unless it runs.
    pub(super) async fn tell(&self, name: &str, app: &ReleasedApp) -> Result<(), TargetError> {
        if app.run.secrets.is_empty() {
            return Ok(());
        }
        let found = self.engine.inspect_container(name, None).await;
        let found = found.map_err(|failure| self.engine.error(format!("inspect the container {name}"), &failure))?;
        if !is_to_be_told(&found) {
            return Ok(());
        }
        if was_started(&found) && app.missing_secrets(&self.secrets).next().is_some() {
            return Ok(()); // What it was told is all there is.
        }
        check_secrets(&self.secrets, name, app)?;
        let untold = |why: String| TargetError::Untold { name: name.to_owned(), why };
        if let Some(place) = mounted(&found) {
            // It would lie in what is mounted, for others to read.
            return Err(untold(format!(
                "something is mounted at {place}. Mount it elsewhere, or build the image without"
            )));
        }
        self.check_machine().await?.map_err(untold)?;
        let user = found.config.and_then(|config| config.user).unwrap_or_default();
        let owner = self.number_of(name, &user).await?;
        let secrets = app.secrets(&self.secrets).map(|secret| (secret.name.clone(), secret.value.clone()));
        let told = inside::told(&secrets.collect::<Vec<_>>());
        let files = inside::archive(&told.map_err(untold)?, owner).map_err(|error| untold(error.to_string()))?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let laid = self.engine.upload_to_container(name, Some(options), bollard::body_full(files.into())).await;
        Ok(laid.map_err(|failure| self.engine.error(format!("tell {name} its secrets"), &failure))?)
    }

    /// Whether the engine starts this container again and again, which cannot begin with what it was told.
    pub(crate) async fn is_untold(&self, name: &str) -> Result<bool, TargetError> {
        match self.engine.inspect_container(name, None).await {
            Ok(found) => Ok(cannot_begin(&found)),
            Err(failure) => {
                let error = self.engine.error(format!("inspect the container {name}"), &failure);
                if error.is_not_found() { Ok(false) } else { Err(error.into()) }
            }
        }
    }

    /// Whether the engine's machine runs the program; a sentence where it does not.
    async fn check_machine(&self) -> Result<Result<(), String>, TargetError> {
        let version = self.engine.version().await;
        let version = version.map_err(|failure| self.engine.error("ask for the engine's version", &failure))?;
        Ok(version.arch.map_or(Ok(()), |arch| runs_program(&arch)))
    }

    /// The number of a container's user; none where its image does not say it in a way that we understand.
    async fn number_of(&self, container: &str, user: &str) -> Result<Option<u64>, TargetError> {
        let user = user.split(':').next().unwrap_or_default();
        if let Some(number) = number(user) {
            return Ok(Some(number));
        }
        let mut place = USERS.to_owned();
        // It may be a link, as where the image keeps its files elsewhere.
        for _ in 0..2 {
            let Some(archive) = self.file_of(container, &place).await? else { break };
            match users(&archive) {
                Some(Users::Listed(users)) => return Ok(named(user, &users)),
                Some(Users::At(other)) => place = other,
                None => break,
            }
        }
        Ok(None)
    }

    /// A file of a container, in an archive; none where there is none, or a larger one than is read.
    async fn file_of(&self, container: &str, path: &str) -> Result<Option<Vec<u8>>, TargetError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut parts = Box::pin(self.engine.download_from_container(container, Some(options)));
        let mut read = Vec::new();
        while let Some(part) = parts.next().await {
            match part.map_err(|failure| self.engine.error(format!("read {path} of {container}"), &failure)) {
                Ok(part) => read.extend_from_slice(&part),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if read.len() > MOST {
                return Ok(None);
            }
        }
        Ok(Some(read))
    }
}

/// What an image has where its users are named.
#[derive(Debug, PartialEq, Eq)]
enum Users {
    /// Their list.
    Listed(String),
    /// It is a link to this place.
    At(String),
}

/// What the archive of that file holds; none where it is something else.
fn users(archive: &[u8]) -> Option<Users> {
    let mut archive = tar::Archive::new(archive);
    let mut file = archive.entries().ok()?.next()?.ok()?;
    if let Some(link) = file.link_name().ok()? {
        // A link that does not begin at the root begins in its own folder; the engine takes `..` as the container would.
        return Some(Users::At(Path::new(USERS).parent()?.join(link).to_str()?.to_owned()));
    }
    let mut users = String::new();
    std::io::Read::read_to_string(&mut file, &mut users).ok()?;
    Some(Users::Listed(users))
}

/// Whether a machine that the engine calls so runs the program, which is of our own machine's kind.
fn runs_program(arch: &str) -> Result<(), String> {
    let own = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    if arch == own {
        return Ok(());
    }
    Err(format!(
        "the engine's machine is {arch}, and this runner brings a program for {own}. Give that engine a runner of its kind"
    ))
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

/// Whether a container begins by reading its secrets, and does not run.
fn is_to_be_told(found: &ContainerInspectResponse) -> bool {
    let status = found.state.as_ref().and_then(|state| state.status);
    let rests = [ContainerStateStatusEnum::CREATED, ContainerStateStatusEnum::EXITED];
    status.is_some_and(|status| rests.contains(&status)) && begins_by_reading(found)
}

fn begins_by_reading(found: &ContainerInspectResponse) -> bool {
    let begins = found.config.as_ref().and_then(|config| config.entrypoint.as_deref());
    begins == Some(&reads()[..])
}

/// Whether a container ran before.
fn was_started(found: &ContainerInspectResponse) -> bool {
    let status = found.state.as_ref().and_then(|state| state.status);
    status != Some(ContainerStateStatusEnum::CREATED)
}

/// Whether a container ended as it does when it cannot read its secrets, and the engine is about to start it as it is.
fn cannot_begin(found: &ContainerInspectResponse) -> bool {
    let Some(state) = &found.state else { return false };
    state.status == Some(ContainerStateStatusEnum::RESTARTING)
        && state.exit_code.is_some_and(|code| UNTOLD.contains(&code))
        && begins_by_reading(found)
}

/// What is mounted where the secrets would be laid.
fn mounted(found: &ContainerInspectResponse) -> Option<&str> {
    let places = found.mounts.iter().flatten().filter_map(|mount| mount.destination.as_deref());
    places.into_iter().find(|place| Path::new(place).starts_with(FOLDER))
}

/// The words by which something begins with the variables in the container's file.
fn reads() -> [String; 3] {
    [inside::PLACE, inside::FROM, inside::TOLD].map(str::to_owned)
}

/// The same container, which begins by reading its secrets, as does what the engine asks it by a command; none where it has no
/// words to begin with.
fn reading(mut body: ContainerCreateBody, image: ImageConfig) -> Option<ContainerCreateBody> {
    let shell = image.shell.clone().filter(|shell| !shell.is_empty());
    let shell = shell.unwrap_or_else(|| ["/bin/sh", "-c"].map(str::to_owned).to_vec());
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
    use bollard::models::{ContainerConfig, ContainerState, MountPoint};

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
        let no_shell = ImageConfig { shell: Some(Vec::new()), ..image(&["CMD-SHELL", "true"]) };
        let asks = reading(body, no_shell).unwrap().healthcheck.unwrap().test.unwrap().join(" ");
        assert!(asks.ends_with("told /bin/sh -c true"), "{asks}");
        assert_eq!(reading(ContainerCreateBody::default(), ImageConfig::default()), None, "there is nothing to begin");
    }

    #[test]
    fn users_are_found_by_their_names() {
        let users = "root:x:0:0::/root:/bin/sh\nnode:x:1000:1000::/:/bin/sh\nodd\nodd:x\nodd2:x:y\n";
        assert_eq!((number(""), number("1000"), number("node"), number("-1")), (Some(0), Some(1000), None, None));
        let found = ["node", "root", "nobody", "odd", "odd2"].map(|user| named(user, users));
        assert_eq!(found, [Some(1000), Some(0), None, None, None]);
    }

    #[test]
    fn the_list_of_users_may_be_a_link() {
        let archive = |kind: tar::EntryType, link: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(bytes.len() as u64);
            let mut archive = tar::Builder::new(Vec::new());
            match link {
                "" => archive.append_data(&mut header, "passwd", bytes).unwrap(),
                link => archive.append_link(&mut header, "passwd", link).unwrap(),
            }
            users(&archive.into_inner().unwrap())
        };
        let at = |link: &str| archive(tar::EntryType::Symlink, link, &[]);
        assert_eq!(at("/usr/lib/passwd"), Some(Users::At("/usr/lib/passwd".to_owned())));
        assert_eq!(at("../lib/passwd"), Some(Users::At("/etc/../lib/passwd".to_owned())));
        let listed = archive(tar::EntryType::Regular, "", b"root:x:0");
        assert_eq!(listed, Some(Users::Listed("root:x:0".to_owned())));
        assert_eq!(archive(tar::EntryType::Regular, "", &[0xff]), None);
        assert_eq!(users(b""), None);
    }

    fn found(status: ContainerStateStatusEnum, code: i64, begins: &[&str], mounted: &str) -> ContainerInspectResponse {
        let mount = MountPoint { destination: Some(mounted.to_owned()), ..MountPoint::default() };
        ContainerInspectResponse {
            state: Some(ContainerState { status: Some(status), exit_code: Some(code), ..ContainerState::default() }),
            config: Some(ContainerConfig { entrypoint: list(begins), ..ContainerConfig::default() }),
            mounts: Some(vec![mount]),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn what_rests_is_told_anew_and_what_cannot_begin_is_known() {
        use ContainerStateStatusEnum::{CREATED, EXITED, RESTARTING, RUNNING};
        let reads = ["/.slipway/inside", "from", "/.slipway/told"];
        let of = |status| found(status, 125, &reads, "/data");
        let told = [CREATED, EXITED, RESTARTING, RUNNING].map(|status| is_to_be_told(&of(status)));
        assert_eq!(told, [true, true, false, false]);
        assert!(!is_to_be_told(&found(EXITED, 125, &["serve"], "/data")), "an earlier version made it");
        assert_eq!(
            [CREATED, EXITED, RESTARTING, RUNNING].map(|status| cannot_begin(&of(status))),
            [false, false, true, false]
        );
        assert!(!cannot_begin(&found(RESTARTING, 1, &reads, "/data")), "it began");
        assert!(!cannot_begin(&found(RESTARTING, 125, &["serve"], "/data")));
        let at = |place: &str| mounted(&found(CREATED, 0, &reads, place)).map(str::to_owned);
        assert_eq!(
            ["/.slipway", "/.slipway/told", "/.slipways", "/data/.slipway"].map(|place| at(place).is_some()),
            [true, true, false, false]
        );
    }

    #[test]
    fn machines_of_another_kind_are_refused() {
        let refused = ["amd64", "arm64", "riscv64"].map(runs_program);
        assert_eq!(refused.iter().filter(|refused| refused.is_ok()).count(), 1, "{refused:?}");
    }
}
