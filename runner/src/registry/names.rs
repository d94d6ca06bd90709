//! Image names as Docker reads them: which part is the host, and what an absent host means.

use std::net::Ipv4Addr;

use oci_client::Reference;

use super::RegistryError;

/// The host that names Docker Hub in images; its older names stand for it as well.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_ALIASES: [&str; 3] = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"];

/// The registry's host (with its port, if any) that an image name or reference leads to: `docker.io` for `busybox`,
/// `127.0.0.1:5000` for `127.0.0.1:5000/shop/web:v1`.
///
/// # Errors
/// When the name is not one that Docker would read.
pub fn host(reference: &str) -> Result<String, RegistryError> {
    Ok(canonical_host(parse(reference)?.registry()))
}

pub(super) fn parse(reference: &str) -> Result<Reference, RegistryError> {
    Reference::try_from(reference).map_err(|failure| RegistryError::InvalidName {
        reference: reference.chars().take(300).collect(),
        reason: failure.to_string(),
    })
}

/// Brings the ways in which people and login files write a registry's host to the one that stands in image names.
pub(super) fn canonical_host(written: &str) -> String {
    let bare = written.trim().trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare).to_ascii_lowercase();
    if DOCKER_HUB_ALIASES.contains(&host.as_str()) { DOCKER_HUB.to_owned() } else { host }
}

/// Whether the host is this machine, where Docker engines speak plain HTTP to registries
/// (<https://docs.docker.com/reference/cli/dockerd/#insecure-registries>).
pub(super) fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    name == "localhost" || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{canonical_host, host, is_this_machine};

    #[test]
    fn names_lead_to_the_hosts_that_docker_would_ask() {
        for (name, expected) in [
            ("busybox", "docker.io"),
            ("library/busybox:latest", "docker.io"),
            ("harbur/captain", "docker.io"),
            ("index.docker.io/harbur/captain", "docker.io"),
            ("127.0.0.1:5000/shop/web:v1", "127.0.0.1:5000"),
            ("localhost/web", "localhost"),
            ("registry.example.com/a/b/c", "registry.example.com"),
        ] {
            assert_eq!(host(name).unwrap(), expected, "{name}");
        }
    }

    #[test]
    fn a_name_that_docker_cannot_read_is_refused_by_name() {
        let message = host("Shop/Web").unwrap_err().to_string();
        assert!(message.contains("Shop/Web"), "{message}");
    }

    #[test]
    fn hosts_are_written_in_many_ways_and_mean_one() {
        for written in ["docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"] {
            assert_eq!(canonical_host(written), "docker.io");
        }
        assert_eq!(canonical_host("http://Registry.Example.com:5000/"), "registry.example.com:5000");
    }

    #[test]
    fn only_loopback_addresses_are_this_machine() {
        for (host, expected) in [
            ("127.0.0.1:5000", true),
            ("127.8.9.1", true),
            ("localhost:80", true),
            ("10.0.0.1:5000", false),
            ("127.0.0.1.example.com", false),
            ("docker.io", false),
        ] {
            assert_eq!(is_this_machine(host), expected, "{host}");
        }
    }
}
