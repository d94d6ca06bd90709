//! Keeping what a stranger's Dockerfile leaves on the engine from everybody else's images.
//!
//! BuildKit knows a layer of `RUN` by its command and by what it began with. What it does not count are the proxies that
//! build arguments may name (`HTTP_PROXY`): with one of the stranger's own, the very command of a trusted Dockerfile could be
//! made to leave another layer under the same key. So such a build has a host in `/etc/hosts` that no other has: names of
//! hosts count, and none of its layers is ever another build's, nor one of those its own, which a secret may have been
//! mounted for.
//!
//! Cache mounts have a name of their own (`BUILDKIT_CACHE_MOUNT_NS`), which the frontend adds that reads the Dockerfile. A
//! Dockerfile may name another frontend, which may do as it likes: those that are known to add it are let through.

use sha2::{Digest, Sha256};

/// The oldest 1.x of `docker/dockerfile` that is let through.
const OLDEST_MINOR: u32 = 3;

/// A line of `/etc/hosts` that is this owner's alone, as the engine takes it.
pub(super) fn host(caches: &str) -> String {
    let digest = Sha256::digest(caches);
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("apart-{name}:127.0.0.1")
}

/// Whether a stranger's Dockerfile may be read by the frontend that it, or an argument of its build, names.
pub(super) fn check<'a>(dockerfile: &[u8], mut args: impl Iterator<Item = &'a str>) -> Result<(), String> {
    // BuildKit's own arguments choose the frontend (`BUILDKIT_SYNTAX`) and what it may see of others.
    if let Some(name) = args.find(|name| name.to_ascii_uppercase().starts_with("BUILDKIT_")) {
        return Err(format!("a pull request from a fork may not set the build argument {name}"));
    }
    let text = String::from_utf8_lossy(dockerfile);
    let refused = |named: &str| {
        Err(format!(
            "its Dockerfile is to be read by `{named}`: a pull request from a fork may name docker/dockerfile:1 (1.{OLDEST_MINOR} or \
             newer), or nothing, in `# syntax=`"
        ))
    };
    // The whole file may be JSON that names one.
    let text = text.trim_start_matches('\u{feff}');
    // BuildKit passes over a first line of `#!` before it looks for JSON as well.
    let body = if text.starts_with("#!") { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
    if [text, body].iter().any(|text| text.trim_start().starts_with('{')) {
        return refused("a frontend in JSON");
    }
    // BuildKit reads directives up to the first line that is none, behind `#` or `//`, and passes over a first line of `#!`. What it
    // passes over here besides is looked at all the same: to refuse too much does no harm.
    let comments = text
        .lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("//"));
    for line in comments {
        let directive = line.trim_start_matches(['#', '/']).split_once('=');
        let Some((_, value)) = directive.filter(|(name, _)| name.trim().eq_ignore_ascii_case("syntax")) else {
            continue;
        };
        let frontend = value.split_whitespace().next().unwrap_or_default();
        if !is_known(frontend) {
            return refused(frontend);
        }
    }
    Ok(())
}

fn is_known(frontend: &str) -> bool {
    let name = frontend.strip_prefix("docker.io/").unwrap_or(frontend);
    let Some(tag) = name.strip_prefix("docker/dockerfile") else { return false };
    let Some(version) = tag.strip_prefix(':') else { return tag.is_empty() };
    let mut parts = version.split('.');
    match (version, parts.next(), parts.next()) {
        ("1" | "latest", ..) => true,
        (_, Some("1"), Some(minor)) => {
            version.chars().all(|c| c.is_ascii_digit() || c == '.')
                && minor.parse::<u32>().is_ok_and(|minor| minor >= OLDEST_MINOR)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_s_dockerfile_names_no_frontend_that_might_reach_other_caches() {
        for fine in [
            "FROM scratch\n# syntax=evil/x\n",
            "# syntax=docker/dockerfile:1\nFROM scratch\n",
            "#syntax = docker.io/docker/dockerfile:1.7.1\nFROM scratch\n",
            "# escape=`\n# syntax=docker/dockerfile\nFROM scratch\n",
            "# a comment\nFROM scratch\n",
        ] {
            assert_eq!(check(fine.as_bytes(), ["VERSION"].into_iter()), Ok(()), "{fine}");
        }
        for foul in [
            "# syntax=evil/x\nFROM scratch\n",
            "\u{feff}# SYNTAX=evil/x:1 more\nFROM scratch\n",
            "#!/usr/bin/env x\n#syntax=evil/x\nFROM scratch\n",
            "// syntax=evil/x\nFROM scratch\n",
            "# escape=\\\n# syntax=docker/dockerfile:1.0-experimental\nFROM scratch\n",
            "# syntax=docker/dockerfile:1.2\nFROM scratch\n",
            "# syntax=docker/dockerfile@sha256:00\nFROM scratch\n",
            "# syntax=docker/dockerfile-upstream:master\nFROM scratch\n",
            "# syntax=docker/dockerfile:1.7-labs\nFROM scratch\n",
            " {\"syntax\": \"evil/x\"}",
            "#!/x\n{\"syntax\": \"evil/x\"}",
        ] {
            assert!(check(foul.as_bytes(), std::iter::empty()).is_err(), "{foul}");
        }
        for foul in ["BUILDKIT_SYNTAX", "buildkit_syntax", "BUILDKIT_CACHE_MOUNT_NS"] {
            assert!(check(b"FROM scratch\n", [foul].into_iter()).is_err(), "{foul}");
        }
    }

    #[test]
    fn the_host_is_a_name_that_is_each_owner_s_own() {
        let one = host("01J fork of pull request 7");
        assert!(one.ends_with(":127.0.0.1") && one.len() < 64, "{one}");
        assert_ne!(one, host("01J fork of pull request 8"));
    }
}
