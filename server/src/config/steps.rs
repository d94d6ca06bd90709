//! What the steps of builds may use: the bounds of `[runner]` that begin with `step_`.

use std::{net::Ipv6Addr, time::Duration};

use clap::Args;
use slipway_runner::{StepLimits, StepNetwork};

use super::ConfigError;

/// A week.
const LONGEST_MINUTES: u32 = 7 * 24 * 60;
/// Engines make no container with less.
const LEAST_MEMORY: u64 = 6 * 1024 * 1024;
/// Fewer processes than a shell with a pipe needs.
const FEWEST_PIDS: u32 = 16;
/// No build could do anything with less: 16 MiB.
const LEAST_DISK: u64 = 16 * 1024 * 1024;
/// More than any machine has.
const MOST_CPUS: f64 = 4096.0;
/// More than anybody lists by hand.
const MOST_HOSTS: usize = 256;

/// Bounds of steps as they are written: by options and variables, or in the file.
#[derive(Debug, Clone, Default, Args)]
pub struct StepSettings {
    /// How many minutes a step may take, whatever captain.yml says.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_MINUTES", value_name = "MINUTES")]
    pub step_minutes: Option<u32>,
    /// How many bytes of memory each container of a build may use.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_MEMORY_BYTES", value_name = "BYTES")]
    pub step_memory_bytes: Option<u64>,
    /// How many CPUs each container of a build may use, such as 1.5.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_CPUS", value_name = "CPUS")]
    pub step_cpus: Option<f64>,
    /// How many processes and threads each container of a build may have.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_PIDS", value_name = "NUMBER")]
    pub step_pids: Option<u32>,
    /// How many bytes of its disk a build may take while its commands run: its checkout, and what its containers write.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_DISK_BYTES", value_name = "BYTES")]
    pub step_disk_bytes: Option<u64>,
    /// What the containers of a build reach besides each other: open, registries, none, or unguarded.
    #[arg(long, env = "SLIPWAY_RUNNER_STEP_NETWORK", value_name = "open|registries|none|unguarded")]
    pub step_network: Option<String>,
    /// A host that the containers of a build reach where they reach registries alone, such as that of a package registry;
    /// several are divided by commas.
    #[arg(
        long = "step-host",
        env = "SLIPWAY_RUNNER_STEP_HOSTS",
        value_name = "HOST[:PORT]|*.DOMAIN",
        value_delimiter = ','
    )]
    pub step_hosts: Vec<String>,
}

impl StepSettings {
    /// These, and the others' where these say nothing.
    pub(super) fn or(self, other: StepSettings) -> Self {
        StepSettings {
            step_minutes: self.step_minutes.or(other.step_minutes),
            step_memory_bytes: self.step_memory_bytes.or(other.step_memory_bytes),
            step_cpus: self.step_cpus.or(other.step_cpus),
            step_pids: self.step_pids.or(other.step_pids),
            step_disk_bytes: self.step_disk_bytes.or(other.step_disk_bytes),
            step_network: self.step_network.or(other.step_network),
            step_hosts: if self.step_hosts.is_empty() { other.step_hosts } else { self.step_hosts },
        }
    }

    /// The hosts that containers reach where these are listed.
    pub(super) fn hosts(&self) -> Result<Vec<String>, ConfigError> {
        let invalid = |value: &str, reason: &str| ConfigError::Invalid {
            key: "runner.step_hosts",
            value: value.to_owned(),
            reason: reason.to_owned(),
        };
        let is_registries = self.step_network.as_deref() == Some("registries");
        match self.step_hosts.first() {
            None if is_registries => {
                Err(invalid("", "with step_network = \"registries\" it lists the hosts that steps reach, at least one"))
            }
            Some(first) if !is_registries => {
                Err(invalid(first, "it counts only with step_network = \"registries\": set that, or leave it out"))
            }
            _ if self.step_hosts.len() > MOST_HOSTS => {
                Err(invalid("…", &format!("it lists at most {MOST_HOSTS} hosts")))
            }
            _ => match self.step_hosts.iter().find(|host| !is_host(host)) {
                Some(wrong) => Err(invalid(wrong, "it is a host, host:port, or *.domain, without a scheme and a path")),
                None => Ok(self.step_hosts.clone()),
            },
        }
    }

    /// The bounds that a runner keeps.
    pub(super) fn limits(self) -> Result<StepLimits, ConfigError> {
        let usual = StepLimits::default();
        let invalid = |key: &'static str, value: String, reason: String| ConfigError::Invalid { key, value, reason };
        let time = match self.step_minutes {
            None => usual.time,
            Some(minutes) if (1..=LONGEST_MINUTES).contains(&minutes) => Duration::from_secs(u64::from(minutes) * 60),
            Some(other) => {
                let reason = format!("it is from 1 to {LONGEST_MINUTES}, a week");
                return Err(invalid("runner.step_minutes", other.to_string(), reason));
            }
        };
        let memory = self.step_memory_bytes.unwrap_or(usual.memory);
        if memory < LEAST_MEMORY {
            let reason = format!("it is at least {LEAST_MEMORY}, less than which no engine takes");
            return Err(invalid("runner.step_memory_bytes", memory.to_string(), reason));
        }
        if let Some(cpus) = self.step_cpus.filter(|cpus| !(0.01..=MOST_CPUS).contains(cpus)) {
            let reason = format!("it is from 0.01 to {MOST_CPUS}");
            return Err(invalid("runner.step_cpus", cpus.to_string(), reason));
        }
        let pids = match self.step_pids {
            None => usual.pids,
            Some(pids) if pids >= FEWEST_PIDS => i64::from(pids),
            Some(few) => {
                let reason = format!("it is at least {FEWEST_PIDS}: a shell and what it starts");
                return Err(invalid("runner.step_pids", few.to_string(), reason));
            }
        };
        let disk = self.step_disk_bytes.or(usual.disk);
        if let Some(few) = disk.filter(|disk| *disk < LEAST_DISK) {
            let reason = format!("it is at least {LEAST_DISK}, what a small checkout takes");
            return Err(invalid("runner.step_disk_bytes", few.to_string(), reason));
        }
        Ok(StepLimits {
            time,
            memory,
            cpus: self.step_cpus.or(usual.cpus),
            pids,
            disk,
            network: network(self.step_network)?,
            ..usual
        })
    }
}

/// Whether the relay of a build can read an entry of its list.
fn is_host(text: &str) -> bool {
    let text = text.strip_prefix("*.").unwrap_or(text);
    let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, rest))) if host.parse::<Ipv6Addr>().is_ok() => {
            (host, rest.strip_prefix(':').or((!rest.is_empty()).then_some("")))
        }
        Some(_) => return false,
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte));
    is_name
        && !host.is_empty()
        && !host.starts_with('.')
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn network(asked: Option<String>) -> Result<StepNetwork, ConfigError> {
    let reason = match asked.as_deref() {
        None | Some("open") => return Ok(StepNetwork::Open),
        Some("none") => return Ok(StepNetwork::None),
        Some("registries") => return Ok(StepNetwork::Registries),
        Some("unguarded") => return Ok(StepNetwork::Unguarded),
        Some("registry") => "it is called registries, and step_hosts lists them",
        Some(_) => "it is open, registries, none or unguarded",
    };
    Err(ConfigError::Invalid {
        key: "runner.step_network",
        value: asked.unwrap_or_default(),
        reason: reason.to_owned(),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_usual() {
        assert_eq!(StepSettings::default().limits().unwrap(), StepLimits::default());
        let file = StepSettings { step_minutes: Some(5), step_pids: Some(100), ..StepSettings::default() };
        let over = StepSettings { step_minutes: Some(7), step_network: Some("none".into()), ..StepSettings::default() };
        let limits = over.or(file).limits().unwrap();
        assert_eq!((limits.time, limits.pids, limits.network), (Duration::from_secs(420), 100, StepNetwork::None));
    }

    #[test]
    fn hosts_are_listed_where_they_count_and_in_a_form_that_is_read() {
        let registries = |hosts: &[&str]| StepSettings {
            step_network: Some("registries".into()),
            step_hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            ..StepSettings::default()
        };
        let good = ["a.example", "a.example:8443", "*.b.example", "10.0.0.7:81", "[fd00::7]", "[fd00::7]:81"];
        assert_eq!(registries(&good).hosts().unwrap(), good);
        assert_eq!(registries(&good).limits().unwrap().network, StepNetwork::Registries);
        for wrong in ["", "https://a.example", "a.example/x", "a.example:0", "*", "*a", ".a", "[a]", "[::1]x", "a b"] {
            let error = registries(&[wrong]).hosts().unwrap_err().to_string();
            assert!(error.contains("host:port, or *.domain"), "{wrong}: {error}");
        }
        assert!(registries(&[]).hosts().unwrap_err().to_string().contains("at least one"));
        let elsewhere = StepSettings { step_network: None, ..registries(&["a.example"]) };
        assert!(elsewhere.hosts().unwrap_err().to_string().contains("counts only with"));
    }

    #[test]
    fn bounds_with_which_nothing_would_run_are_refused() {
        let said = |settings: StepSettings| settings.limits().unwrap_err().to_string();
        let usual = StepSettings::default;
        assert!(said(StepSettings { step_minutes: Some(0), ..usual() }).contains("from 1 to 10080"));
        assert!(said(StepSettings { step_memory_bytes: Some(1), ..usual() }).contains("at least 6291456"));
        assert!(said(StepSettings { step_cpus: Some(f64::NAN), ..usual() }).contains("from 0.01"));
        assert!(said(StepSettings { step_pids: Some(1), ..usual() }).contains("at least 16"));
        assert!(said(StepSettings { step_disk_bytes: Some(1), ..usual() }).contains("at least 16777216"));
        assert!(said(StepSettings { step_network: Some("registry".into()), ..usual() }).contains("called registries"));
    }
}
