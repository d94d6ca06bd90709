//! The values of a `docker run` line's options, as they become the container's.

use std::net::IpAddr;

use super::{
    Reader, WORKSPACE, mounts,
    options::{Given, Kind},
    words::{GID, PWD, UID},
};
use crate::{config::Tmpfs, diagnostics::Problem, parse::quantities, paths, variables};

/// The most CPUs that can be asked for.
const MAX_CPUS: f64 = 1_024.0;

impl Reader<'_> {
    /// Takes one option over into the container.
    pub(super) fn apply(&mut self, given: Given) -> Result<(), Problem> {
        let value = given.value;
        match given.kind {
            Kind::Volume => {
                let mount = mounts::parse(&value)?;
                self.warnings.extend(mounts::warning(&mount));
                self.run.mounts.push(mount);
            }
            Kind::Mount => self.mount(&value)?,
            Kind::Tmpfs => self.run.tmpfs.push(tmpfs(&value)?),
            Kind::Env => self.environment_variable(&plain(&value, "a variable")?)?,
            Kind::EnvFile => {
                let path = value.strip_prefix(PWD).map_or(value.as_str(), |rest| rest.trim_start_matches('/'));
                let path = plain(path, "--env-file")?;
                self.run.env_files.push(mounts::workspace_path(&path)?);
            }
            Kind::Workdir => {
                let path = plain(&value, "--workdir")?;
                paths::check_absolute(&variables::sample(&path))
                    .map_err(|reason| Problem::new(format!("--workdir: {reason}")))?;
                self.run.workdir = Some(path);
            }
            Kind::User => self.user(&value)?,
            Kind::Entrypoint => self.run.entrypoint = Some(plain(&value, "--entrypoint")?),
            Kind::Name => self.run.name = Some(name(&plain(&value, "--name")?, "a container's name")?),
            Kind::Alias => self.run.aliases.push(name(&plain(&value, "--network-alias")?, "a container's name")?),
            Kind::Hostname => self.run.hostname = Some(name(&plain(&value, "--hostname")?, "a host name")?),
            Kind::Network => check_network(&value)?,
            Kind::Link => self.check_link(&value)?,
            Kind::AddHost => self.run.hosts.push(host(&plain(&value, "--add-host")?)?),
            Kind::Memory => self.run.memory = Some(quantities::memory(&value)?),
            Kind::ShmSize => self.run.shm_size = Some(quantities::bytes(&value)?),
            Kind::Cpus => self.run.nano_cpus = Some(nano_cpus(&value)?),
            Kind::ReadOnly => self.run.read_only = true,
            Kind::Init => self.run.init = true,
        }
        Ok(())
    }

    /// `NAME=value`; a bare `NAME` is fine for what the step has anyway, and otherwise would mean the host's variable.
    fn environment_variable(&mut self, text: &str) -> Result<(), Problem> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name.is_empty() || name.contains(['$', '\0']) {
            return Err(Problem::new(format!("\"{text}\" is not a variable")).expected("-e NAME=value"));
        }
        match value {
            Some(value) => self.run.env.push((name.to_owned(), value.to_owned())),
            None if variables::is_given(name) || self.around.environment.contains(&name) => {}
            None => {
                let message =
                    format!("-e {name} without a value would take it from the host, whose variables steps do not have");
                let expected = format!("-e {name}=value, or {name} among the \"secrets\" or \"env\" of the app");
                return Err(Problem::new(message).expected(expected));
            }
        }
        Ok(())
    }

    /// A user and a group. `$(id -u)` and its kin mean the person at a host's keyboard, whom a step does not have.
    fn user(&mut self, value: &str) -> Result<(), Problem> {
        if value.split(':').all(|part| part == UID || part == GID) {
            let message =
                "-u with the user of a shell is left out: no such user is there, and the image's own one runs the step";
            self.warnings.push(Problem::new(message));
            return Ok(());
        }
        self.run.user = Some(plain(value, "--user")?);
        Ok(())
    }

    /// `type=bind|volume|tmpfs` with its keys, as `-v` and `--tmpfs` would have it.
    fn mount(&mut self, value: &str) -> Result<(), Problem> {
        let (mut kind, mut source, mut target, mut size, mut read_only) = ("volume", "", "", None, false);
        for part in value.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            match (key, value) {
                ("type", value) => kind = value,
                ("source" | "src", value) => source = value,
                ("target" | "dst" | "destination", value) => target = value,
                ("readonly" | "ro", "" | "true" | "1") => read_only = true,
                ("readonly" | "ro", "false" | "0") | ("consistency", _) => {}
                ("tmpfs-size", value) => size = Some(quantities::bytes(value)?),
                _ => {
                    return Err(Problem::new(format!("--mount {key} is not supported in a step"))
                        .expected("type, source, target and readonly"));
                }
            }
        }
        match kind {
            "tmpfs" => {
                let path = mounts::parse_target(target)?;
                self.run.tmpfs.push(Tmpfs { path, size });
            }
            "bind" | "volume" => {
                let mount = mounts::of(source, target, read_only)?;
                self.warnings.extend(mounts::warning(&mount));
                self.run.mounts.push(mount);
            }
            other => {
                let problem = Problem::new(format!("--mount type={other} is not supported in a step"));
                return Err(problem.expected("bind, volume or tmpfs"));
            }
        }
        Ok(())
    }

    /// Containers of a build reach each other by name anyway; another name for one is what nothing here can give it.
    fn check_link(&mut self, value: &str) -> Result<(), Problem> {
        match value.split_once(':') {
            Some((name, alias)) if name != alias => {
                let message = format!(
                    "--link {value}: containers of a build reach each other by their own names, and \"{name}\" has no other one"
                );
                Err(Problem::new(message).expected(format!("\"{alias}\" as the name of the service, without --link")))
            }
            _ => Ok(()),
        }
    }
}

/// The word with the workspace's path in place of `$PWD`; the home folder exists in caches only.
pub(super) fn plain(word: &str, what: &str) -> Result<String, Problem> {
    if variables::uses(word, "HOME") {
        let message = format!("{what} uses the home folder, which steps do not have");
        return Err(
            Problem::new(message).expected("~ or $HOME at the start of a -v source only, where it names a cache")
        );
    }
    if variables::uses(word, "UID") || variables::uses(word, "GID") {
        let message = format!("{what} uses the user of a shell, which steps do not have");
        return Err(Problem::new(message).expected("the user's number, such as 1000"));
    }
    Ok(variables::replace(word, "PWD", WORKSPACE))
}

/// A container's name, which is also its address within the build's network.
fn name(text: &str, what: &str) -> Result<String, Problem> {
    let sample = variables::sample(text);
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if sample.len() > 63 || !sample.starts_with(|c: char| c.is_ascii_alphanumeric()) || !sample.chars().all(legal) {
        return Err(Problem::new(format!("\"{text}\" cannot be {what}")));
    }
    Ok(text.to_owned())
}

/// `NAME:ADDRESS`.
fn host(text: &str) -> Result<(String, IpAddr), Problem> {
    let wrong =
        || Problem::new(format!("--add-host {text} is not a name and an address")).expected("--add-host NAME:ADDRESS");
    let (host, address) = text.split_once([':', '=']).ok_or_else(wrong)?;
    if address == "host-gateway" {
        return Err(Problem::new("--add-host with host-gateway is refused: a step may not reach the host"));
    }
    let address = address.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| wrong())?;
    Ok((name(host, "a host name")?, address))
}

/// `PATH[:size=64m,…]`.
fn tmpfs(text: &str) -> Result<Tmpfs, Problem> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let mut size = None;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => size = Some(quantities::bytes(value)?),
            Some(("mode" | "uid" | "gid", _)) | None => {}
            Some((key, _)) => {
                return Err(Problem::new(format!("--tmpfs option \"{key}\" is not supported")).expected("size"));
            }
        }
    }
    Ok(Tmpfs { path: mounts::parse_target(path)?, size })
}

fn nano_cpus(text: &str) -> Result<u64, Problem> {
    let cpus = text.parse::<f64>().ok().filter(|cpus| (0.01..=MAX_CPUS).contains(cpus));
    let cpus = cpus.ok_or_else(|| Problem::new(format!("--cpus {text} is not a number from 0.01 to {MAX_CPUS}")))?;
    // In bounds, so that the number fits.
    Ok((cpus * 1e9).round() as u64)
}

/// Every container of a build is in the build's own network; a name for it changes nothing, a way out of it is refused.
fn check_network(value: &str) -> Result<(), Problem> {
    if value == "host" {
        return Err(Problem::new("--network host is refused: a step may not use the host's network")
            .expected("no --network: the containers of a build reach each other by name"));
    }
    if value == "none" || value.starts_with("container:") {
        return Err(Problem::new(format!("--network {value} is not supported: every step is in its build's network")));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if value.is_empty() || !value.chars().all(legal) {
        return Err(Problem::new(format!("\"{value}\" cannot be a network's name")));
    }
    Ok(())
}
