//! What is built, and what its images say of it.

use chrono::DateTime;
use url::Url;

use crate::{coordinator::BuildWork, engine::labels};

/// What is built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The repository's name.
    pub(crate) repository: String,
    /// Where people find its source; empty where only the name is known.
    pub(crate) source: String,
    /// The commit; empty where there is none.
    pub(crate) commit: String,
    /// When it was made, in unix seconds.
    pub(crate) committed: Option<i64>,
    /// The tag that is built.
    pub(crate) tag: Option<String>,
}

impl Subject {
    /// That of a build whose checkout told of the commit.
    pub(super) fn of(work: &BuildWork, commit: String, committed: Option<i64>) -> Self {
        Subject {
            repository: work.repository_name.clone(),
            source: source_address(&work.clone_url).unwrap_or_default(),
            commit,
            committed,
            tag: work.git_ref.strip_prefix("refs/tags/").map(str::to_owned),
        }
    }

    /// The labels of its images. They go over what a Dockerfile says under the same names, so that none can claim another
    /// source, and hold nothing that differs between two builds of one commit and ref.
    /// <https://github.com/opencontainers/image-spec/blob/main/annotations.md>
    pub(super) fn labels(&self) -> Vec<(String, String)> {
        let label = |name: &str, value: &str| (format!("org.opencontainers.image.{name}"), value.to_owned());
        let source = if self.source.is_empty() { &self.repository } else { &self.source };
        let created = self.committed.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let mut found = vec![
            (labels::SOURCE.to_owned(), self.repository.clone()),
            label("source", source),
            label("revision", &self.commit),
        ];
        found.extend(created.map(|at| label("created", &at.format("%Y-%m-%dT%H:%M:%SZ").to_string())));
        found.extend(self.tag.as_ref().map(|tag| label("version", tag)));
        found
    }
}

/// The address of a repository as a browser is given it: without a login, and by https where git uses ssh. None where
/// the address has no such form.
fn source_address(clone_url: &str) -> Option<String> {
    let path = |text: &str| text.trim_matches('/').trim_end_matches(".git").to_owned();
    let Ok(mut url) = Url::parse(clone_url) else {
        // The short form of ssh, `user@host:path`.
        let (login, rest) = clone_url.split_once(':')?;
        let host = login.rsplit_once('@').map_or(login, |(_, host)| host);
        return Some(format!("https://{host}/{}", path(rest)));
    };
    let host = url.host_str()?.to_owned();
    if !matches!(url.scheme(), "http" | "https") {
        return Some(format!("https://{host}/{}", path(url.path())));
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    url.set_path(&path(url.path()));
    Some(url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_for_people_and_holds_no_login() {
        for (clone_url, expected) in [
            ("https://token:secret@github.com/shop/web.git", "https://github.com/shop/web"),
            ("git@github.com:shop/web.git", "https://github.com/shop/web"),
            ("ssh://git@git.example.com:2222/shop/web.git", "https://git.example.com/shop/web"),
            ("http://127.0.0.1:8080/shop/web", "http://127.0.0.1:8080/shop/web"),
        ] {
            assert_eq!(source_address(clone_url).as_deref(), Some(expected), "{clone_url}");
        }
    }

    #[test]
    fn labels_are_the_same_for_every_build_of_a_commit() {
        let subject = Subject {
            repository: "shop/web".to_owned(),
            source: "https://github.com/shop/web".to_owned(),
            commit: "c0ffee".to_owned(),
            committed: Some(1_790_000_000),
            tag: Some("v1.2".to_owned()),
        };
        let labels = subject.labels();
        let said: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            said,
            [
                ("slipway.source", "shop/web"),
                ("org.opencontainers.image.source", "https://github.com/shop/web"),
                ("org.opencontainers.image.revision", "c0ffee"),
                ("org.opencontainers.image.created", "2026-09-21T14:13:20Z"),
                ("org.opencontainers.image.version", "v1.2"),
            ]
        );
        assert_eq!(Subject { tag: None, committed: None, ..subject }.labels().len(), 3);
    }
}
