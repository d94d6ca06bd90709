//! The tags of versions.

use semver::Version;

use crate::images::MAX_TAG;

/// The tags of a git tag that is a semantic version: none of any other, the pre-release itself, and of a release its
/// name, the version, and those of the shorter forms that no newer release among `all` has.
pub(super) fn version_tags(name: &str, all: &[String]) -> Vec<String> {
    let Some(version) = version(name) else { return Vec::new() };
    if !version.pre.is_empty() {
        return vec![name.to_owned()];
    }
    let newer: Vec<Version> = all
        .iter()
        .filter_map(|other| self::version(other))
        .filter(|other| other.pre.is_empty() && *other > version)
        .collect();
    let mut tags = vec![name.to_owned(), version.to_string()];
    if !newer.iter().any(|other| (other.major, other.minor) == (version.major, version.minor)) {
        tags.push(format!("{}.{}", version.major, version.minor));
    }
    if !newer.iter().any(|other| other.major == version.major) {
        tags.push(version.major.to_string());
    }
    tags
}

/// Whether the name is a semantic version.
pub(super) fn is_version(name: &str) -> bool {
    version(name).is_some()
}

/// The name as a semantic version, with or without a `v`. Build metadata has no order and no legal spelling in a tag, so
/// a name with it is a name like any other.
fn version(name: &str) -> Option<Version> {
    let version = Version::parse(name.strip_prefix('v').unwrap_or(name)).ok()?;
    (version.build.is_empty() && name.len() <= MAX_TAG).then_some(version)
}
