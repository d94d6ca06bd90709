//! The small things that many pages show: commits, digests, builds in a list, what is live where.

use askama::Template;

use crate::{
    state::State,
    time::{Took, When},
};

/// Whether the forge shows what a page does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It does.
    Shown,
    /// It is to be told, and has not taken it yet; perhaps for a reason.
    Waiting(Option<String>),
    /// It was told in vain, for this reason.
    GivenUp(String),
}

impl Told {
    /// In a word or two.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Told::Shown => "told",
            Told::Waiting(_) => "not told yet",
            Told::GivenUp(_) => "not told",
        }
    }

    /// Why it does not.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Told::Shown => None,
            Told::Waiting(reason) => reason.as_deref(),
            Told::GivenUp(reason) => Some(reason),
        }
    }
}

/// A commit as lists and headers show it.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The whole hash.
    pub sha: String,
    /// The whole message.
    pub message: String,
    /// Who wrote it.
    pub author: String,
}

impl Commit {
    /// The first eight digits.
    #[must_use]
    pub fn short(&self) -> &str {
        self.sha.get(..8).unwrap_or(&self.sha)
    }

    /// The message's first line.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self.message.lines().next().map(str::trim) {
            None | Some("") => "(no message)",
            Some(subject) => subject,
        }
    }

    /// What follows the first line.
    #[must_use]
    pub fn body(&self) -> &str {
        self.message.split_once('\n').map_or("", |(_, body)| body.trim())
    }
}

/// A content digest, short on the page and whole behind it.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = r#"<code class="digest" title="{{ whole }}">{{ self.short() }}</code>"#)]
pub struct Digest {
    /// `sha256:` and 64 digits.
    pub whole: String,
}

impl askama::filters::HtmlSafe for Digest {}

impl Digest {
    /// The first twelve digits, without the algorithm.
    #[must_use]
    pub fn short(&self) -> &str {
        let digits = self.whole.split_once(':').map_or(self.whole.as_str(), |(_, digits)| digits);
        digits.get(..12).unwrap_or(digits)
    }
}

/// A git reference as people name it: a branch and a tag by their name, a pull request as `pull/7`.
#[must_use]
pub fn reference(git_ref: &str) -> &str {
    let of_pull = || git_ref.strip_prefix("refs/").and_then(|name| name.strip_suffix("/merge"));
    let name = git_ref.strip_prefix("refs/heads/").or_else(|| git_ref.strip_prefix("refs/tags/"));
    name.or_else(of_pull).unwrap_or(git_ref)
}

/// The owner and the short name of a repository such as `acme/shop`; no owner where the name does not say one.
#[must_use]
pub fn owner_and_name(repository: &str) -> (&str, &str) {
    repository.split_once('/').unwrap_or(("", repository))
}

/// A size in bytes as `12.3 MB` (powers of ten, as registries count).
#[must_use]
pub fn size(bytes: i64) -> String {
    let bytes = bytes.max(0);
    for (unit, one) in [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)] {
        if bytes >= one {
            return format!("{}.{} {unit}", bytes / one, bytes % one * 10 / one);
        }
    }
    format!("{bytes} B")
}

/// A build in a list.
#[derive(Debug, Clone)]
pub struct BuildRow {
    /// Its number.
    pub number: i64,
    /// Its page.
    pub address: String,
    /// Its state.
    pub state: State,
    /// The branch or tag.
    pub reference: String,
    /// What it builds.
    pub commit: Commit,
    /// How long it takes.
    pub took: Took,
    /// When it was accepted.
    pub when: When,
    /// Why it failed or waits.
    pub reason: Option<String>,
}

/// An environment in a strip: what is live there, what is on its way, what went wrong last.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The environment's name.
    pub name: String,
    /// Its page.
    pub address: String,
    /// What is live.
    pub live: Option<Version>,
    /// The newest release, where it is not the live one.
    pub newest: Option<(State, i64)>,
}

impl Stage {
    /// What the strip shows as the environment's state.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        match self.newest {
            Some((state, _)) if state.is_open() || state == State::Failed => Some(state),
            _ => self.live.as_ref().map(|_| State::Live),
        }
    }
}

/// A release as a version.
#[derive(Debug, Clone)]
pub struct Version {
    /// The release's number within its environment.
    pub release: i64,
    /// The number of the build that it came from.
    pub build: i64,
    /// That build's commit.
    pub commit: Commit,
    /// When it went live.
    pub since: When,
}

#[cfg(test)]
mod tests {
    use super::{Commit, Digest, reference, size};

    #[test]
    fn commits_are_shortened_whatever_they_hold() {
        let commit =
            |sha: &str, message: &str| Commit { sha: sha.into(), message: message.into(), author: String::new() };
        assert_eq!(commit("0123456789", "Fix\n\nBecause.").short(), "01234567");
        assert_eq!(commit("ééééé", "").short(), "éééé");
        assert_eq!(commit("é", "").short(), "é");
        assert_eq!(commit("", "Fix\n\nBecause.\n").body(), "Because.");
        assert_eq!(commit("", "\n").subject(), "(no message)");
    }

    #[test]
    fn digests_sizes_and_references_read_well() {
        let digest = Digest { whole: format!("sha256:{}", "ab".repeat(32)) };
        assert_eq!(digest.short(), "abababababab");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(74_250_000), "74.2 MB");
        assert_eq!(reference("refs/heads/release/1"), "release/1");
        assert_eq!(reference("refs/tags/v1"), "v1");
        assert_eq!(reference("refs/pull/7/merge"), "pull/7");
        assert_eq!(reference("refs/heads/topic/merge"), "topic/merge");
    }
}
