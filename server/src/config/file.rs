//! `slipway.toml` as it is written: everything optional, nothing unknown.

use std::{collections::BTreeMap, net::SocketAddr, ops::Range, path::PathBuf};

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, LogFormat, StepSettings, nearest::nearest};
use crate::{access::Role, retention::Limits, runners::Labels, secrets::Secret};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) listen: Option<SocketAddr>,
    pub(super) public_url: Option<String>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) database: Option<Secret>,
    pub(super) public_read: Option<bool>,
    pub(super) supersede: Option<bool>,
    pub(super) builds_per_repository: Option<u32>,
    pub(super) build_timeout_minutes: Option<u32>,
    pub(super) lease_seconds: Option<u32>,
    pub(super) max_delivery_bytes: Option<usize>,
    pub(super) max_connections: Option<usize>,
    pub(super) trusted_proxies: Option<Vec<String>>,
    pub(super) log: Option<LogFormat>,
    pub(super) log_filter: Option<String>,
    pub(super) runner: RunnerSection,
    pub(super) proxy: ProxySection,
    pub(super) retention: Limits,
    pub(super) archive: ArchiveSection,
    pub(super) mail: MailSection,
    pub(super) login: Vec<LoginSection>,
}

/// `[runner]`: the embedded runner.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunnerSection {
    pub(super) enabled: Option<bool>,
    pub(super) name: Option<String>,
    pub(super) capacity: Option<u32>,
    pub(super) docker_host: Option<String>,
    pub(super) labels: Option<Labels>,
    pub(super) builds_only: Option<bool>,
    pub(super) internal_hosts: Option<Vec<String>>,
    pub(super) failed_builds: Option<u32>,
    pub(super) cache_bytes: Option<u64>,
    pub(super) build_cache_bytes: Option<u64>,
    pub(super) step_log_bytes: Option<u64>,
    pub(super) step_minutes: Option<u32>,
    pub(super) step_memory_bytes: Option<u64>,
    pub(super) step_cpus: Option<f64>,
    pub(super) step_pids: Option<u32>,
    pub(super) step_disk_bytes: Option<u64>,
    pub(super) step_network: Option<String>,
    pub(super) step_hosts: Option<Vec<String>>,
    pub(super) measure_seconds: Option<u32>,
}

impl RunnerSection {
    /// What it says of steps.
    pub(super) fn steps(&self) -> StepSettings {
        StepSettings {
            step_minutes: self.step_minutes,
            step_memory_bytes: self.step_memory_bytes,
            step_cpus: self.step_cpus,
            step_pids: self.step_pids,
            step_disk_bytes: self.step_disk_bytes,
            step_network: self.step_network.clone(),
            step_hosts: self.step_hosts.clone().unwrap_or_default(),
        }
    }
}

/// `[proxy]`: the Caddys in front of the releases.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProxySection {
    pub(super) caddy_admin: Option<String>,
    pub(super) switch_admin: Option<String>,
    pub(super) switch_socket: Option<String>,
    pub(super) listen: Option<Vec<String>>,
}

/// `[archive]`: where finished logs are kept.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ArchiveSection {
    pub(super) url: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    pub(super) access_key_id: Option<String>,
}

/// `[mail]`: the server that mail is sent by.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MailSection {
    pub(super) url: Option<Secret>,
    pub(super) from: Option<String>,
}

/// `[[login]]`: where else people can prove who they are.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LoginSection {
    pub(super) name: String,
    pub(super) kind: Option<ProviderKind>,
    pub(super) issuer: Option<String>,
    pub(super) url: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret>,
    pub(super) client_secret_file: Option<PathBuf>,
    pub(super) scopes: Vec<String>,
    pub(super) groups_claim: Option<String>,
    pub(super) create: bool,
    pub(super) domains: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) organisations: Vec<String>,
    pub(super) claims: BTreeMap<String, String>,
    pub(super) role: Option<Role>,
    pub(super) roles: BTreeMap<String, Role>,
}

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProviderKind {
    OpenId,
    GitHub,
}

/// The keys that may stand in each table; `""` is the top. A test compares them with the structs above.
const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "listen",
            "public_url",
            "data_dir",
            "database",
            "public_read",
            "supersede",
            "builds_per_repository",
            "build_timeout_minutes",
            "lease_seconds",
            "max_delivery_bytes",
            "max_connections",
            "trusted_proxies",
            "log",
            "log_filter",
            "runner",
            "proxy",
            "retention",
            "archive",
            "mail",
            "login",
        ],
    ),
    (
        "login",
        &[
            "name",
            "kind",
            "issuer",
            "url",
            "client_id",
            "client_secret",
            "client_secret_file",
            "scopes",
            "groups_claim",
            "create",
            "domains",
            "groups",
            "organisations",
            "claims",
            "role",
            "roles",
        ],
    ),
    ("mail", &["url", "from"]),
    ("archive", &["url", "endpoint", "region", "access_key_id"]),
    (
        "runner",
        &[
            "enabled",
            "name",
            "capacity",
            "docker_host",
            "labels",
            "builds_only",
            "internal_hosts",
            "failed_builds",
            "cache_bytes",
            "build_cache_bytes",
            "step_log_bytes",
            "step_minutes",
            "step_memory_bytes",
            "step_cpus",
            "step_pids",
            "step_disk_bytes",
            "step_network",
            "step_hosts",
            "measure_seconds",
        ],
    ),
    ("proxy", &["caddy_admin", "switch_admin", "switch_socket", "listen"]),
    (
        "retention",
        &[
            "builds_keep",
            "builds_days",
            "logs_days",
            "payloads_days",
            "deliveries_days",
            "events_days",
            "audit_days",
            "releases_keep",
            "releases_days",
            "measurements_hours",
            "measurements_days",
        ],
    ),
];

/// Reads the file's text; `path` is for the messages.
pub(super) fn parse(path: &str, text: &str) -> Result<File, ConfigError> {
    let malformed = |error: &toml::de::Error| ConfigError::Malformed {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, &span)),
        reason: match error.span().and_then(|span| key_of(text, &span)) {
            Some(key) => format!("{key}: {}", error.message()),
            None => error.message().to_owned(),
        },
    };
    let table = DeTable::parse(text).map_err(|error| malformed(&error))?;
    refuse_unknown(path, text, "", table.get_ref())?;
    toml::from_str(text).map_err(|error| malformed(&error))
}

fn refuse_unknown(path: &str, text: &str, section: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
    let known = KEYS.iter().find(|(name, _)| *name == section).map_or(&[][..], |(_, keys)| keys);
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !known.contains(&name) {
            let hint = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let key_name = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
            return Err(ConfigError::UnknownKey {
                path: path.to_owned(),
                line: line_of(text, &key.span()),
                key: key_name,
                hint,
            });
        }
        match value.get_ref() {
            DeValue::Table(inner) if section.is_empty() => refuse_unknown(path, text, name, inner)?,
            DeValue::Array(several) if section.is_empty() => {
                for one in several.iter().filter_map(|one| one.get_ref().as_table()) {
                    refuse_unknown(path, text, name, one)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The key in whose line a value stands.
fn key_of<'t>(text: &'t str, span: &Range<usize>) -> Option<&'t str> {
    let before = text.get(..span.start)?;
    let (key, _) = before.rsplit('\n').next()?.split_once('=')?;
    Some(key.trim()).filter(|key| !key.is_empty())
}

fn line_of(text: &str, span: &Range<usize>) -> usize {
    text.as_bytes().iter().take(span.start).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn every_known_key_can_be_read() {
        let text = r#"
            listen = "0.0.0.0:80"
            public_url = "https://slipway.example"
            data_dir = "/data"
            database = "postgres://slipway@db/slipway"
            public_read = true
            supersede = false
            builds_per_repository = 4
            build_timeout_minutes = 30
            lease_seconds = 30
            max_delivery_bytes = 1000
            max_connections = 100
            trusted_proxies = ["10.0.0.0/8", "::1"]
            log = "json"
            log_filter = "debug"
            [runner]
            enabled = false
            name = "one"
            capacity = 4
            docker_host = "unix:///run/docker.sock"
            labels = {gpu="yes"}
            builds_only = true
            internal_hosts = ["store.example.com:9000"]
            failed_builds = 5
            cache_bytes = 10000000
            build_cache_bytes = 20000000
            step_log_bytes = 1000000
            step_minutes = 30
            step_memory_bytes = 1000000000
            step_cpus = 1.5
            step_pids = 500
            step_disk_bytes = 2000000000
            step_network = "registries"
            step_hosts = ["packages.example.com"]
            measure_seconds = 30
            [proxy]
            caddy_admin = "http://127.0.0.1:2019"
            switch_admin = "http://127.0.0.1:2020"
            switch_socket = "unix//run/slipway/switch.sock"
            listen = [":80", ":443"]
            [retention]
            builds_keep = 10
            builds_days = 60
            logs_days = 20
            payloads_days = 7
            deliveries_days = 60
            events_days = 14
            audit_days = 365
            releases_keep = 5
            releases_days = 60
            measurements_hours = 12
            measurements_days = 3
            [archive]
            url = "s3://logs/slipway"
            endpoint = "http://127.0.0.1:9000"
            region = "eu-west-1"
            access_key_id = "AKIA"
            [mail]
            url = "smtps://mail.example.com"
            from = "slipway@example.com"
            [[login]]
            name = "Company"
            kind = "openid"
            issuer = "https://id.example.com"
            url = "https://git.example.com"
            client_id = "slipway"
            client_secret = "hunter2"
            client_secret_file = "/etc/slipway/company"
            scopes = ["groups"]
            groups_claim = "groups"
            create = true
            domains = ["example.com"]
            groups = ["staff"]
            organisations = ["acme"]
            claims = {hd="example.com"}
            role = "viewer"
            roles = {ops="deployer"}
        "#;
        let file = parse("slipway.toml", text).unwrap();
        assert_eq!(file.runner.capacity, Some(4));
        let written: usize = KEYS.iter().map(|(_, keys)| keys.len()).sum();
        assert_eq!(
            written,
            text.matches(" = ").count() + text.matches("            [").count(),
            "each key stands in this test"
        );
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest() {
        let unknown = parse("slipway.toml", "listen = \"127.0.0.1:1\"\n\n[runner]\ncapcity = 2\n").unwrap_err();
        assert_eq!(unknown.to_string(), "slipway.toml, line 4: unknown key `runner.capcity`; did you mean `capacity`?");
        let unknown = parse("slipway.toml", "colour = 1").unwrap_err().to_string();
        assert!(unknown.contains("unknown key `colour`; known here: listen, public_url"), "{unknown}");
    }

    #[test]
    fn a_wrong_type_names_its_line() {
        let wrong = parse("slipway.toml", "\npublic_read = \"yes\"\n").unwrap_err().to_string();
        assert!(wrong.starts_with("slipway.toml, line 2: public_read: invalid type: string \"yes\""), "{wrong}");
        let broken = parse("slipway.toml", "listen = ").unwrap_err().to_string();
        assert!(broken.starts_with("slipway.toml, line 1: "), "{broken}");
    }
}
