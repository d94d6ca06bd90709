//! Where an image comes from, as a statement that others can read: in-toto's, with the predicate of SLSA
//! (<https://slsa.dev/spec/v1.0/provenance>).

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Subject;
use crate::coordinator::{BuildWork, Witness};

/// What kind of artifact a statement is.
pub(super) const KIND: &str = "application/vnd.in-toto+json";
/// What it says.
pub(super) const PREDICATE: &str = "https://slsa.dev/provenance/v1";
/// How the parameters below are to be read: docs/supply-chain.md.
const BUILD_TYPE: &str = "urn:slipway:build:v1";

/// What an image was made of, besides the commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Making {
    /// The Dockerfile's path within the repository.
    pub(super) dockerfile: String,
    /// The context's folder within the repository.
    pub(super) context: String,
    /// The stage; none for the last.
    pub(super) target: Option<String>,
    /// Build arguments.
    pub(super) build_args: Vec<(String, String)>,
    /// The images that it builds on.
    pub(super) bases: Vec<Material>,
}

/// An image that another builds on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Material {
    /// Its name, as the Dockerfile has it.
    pub(crate) image: String,
    /// What it was.
    pub(crate) is: Identity,
}

/// What an image was, whatever its name means later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Identity {
    /// This digest in its registry.
    Digest(String),
    /// This id on the engine: no registry has told its digest.
    Id(String),
}

/// All that the provenance of a build's images has in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    witness: Witness,
    git_ref: String,
    event: String,
    number: i64,
}

impl Account {
    /// That of a build; none where the server tells nothing of itself.
    pub(super) fn of(work: &BuildWork) -> Option<Self> {
        let witness = work.witness.clone()?;
        Some(Account { witness, git_ref: work.git_ref.clone(), event: work.event.clone(), number: work.number })
    }

    /// The statement on an app's image, which was pushed at `now` (unix milliseconds).
    pub(super) fn statement(
        &self,
        subject: &Subject,
        app: &str,
        pushed: (&str, &str),
        making: &Making,
        now: i64,
    ) -> Value {
        let (image, digest) = pushed;
        let source = if subject.source.is_empty() { &subject.repository } else { &subject.source };
        let build_args: serde_json::Map<String, Value> =
            making.build_args.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        let commit = json!({"uri": format!("git+{source}@{}", self.git_ref), "digest": {"gitCommit": subject.commit}});
        let dependencies: Vec<Value> =
            std::iter::once(commit).chain(making.bases.iter().map(Material::descriptor)).collect();
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": image, "digest": {"sha256": hex_of(digest)}}],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {
                        "repository": source,
                        "ref": self.git_ref,
                        "event": self.event,
                        "configuration": "captain.yml",
                        "app": app,
                        "dockerfile": making.dockerfile,
                        "context": making.context,
                        "target": making.target,
                        "buildArgs": build_args,
                    },
                    "internalParameters": {"build": self.number},
                    "resolvedDependencies": dependencies,
                },
                "runDetails": {
                    "builder": {"id": self.witness.builder, "version": {"slipway": env!("CARGO_PKG_VERSION")}},
                    "metadata": {
                        "invocationId": self.witness.build_url,
                        "startedOn": moment(self.witness.begun),
                        "finishedOn": moment(now),
                    },
                },
            },
        })
    }
}

impl Material {
    fn descriptor(&self) -> Value {
        let uri = format!("docker://{}", self.image);
        match &self.is {
            Identity::Digest(digest) => json!({"uri": uri, "digest": {"sha256": hex_of(digest)}}),
            Identity::Id(id) => json!({
                "uri": uri,
                "digest": {"sha256": hex_of(id)},
                "annotations": {"digest": "of the image's configuration: the engine had it, and no registry told of it"},
            }),
        }
    }
}

fn hex_of(digest: &str) -> &str {
    digest.strip_prefix("sha256:").unwrap_or(digest)
}

fn moment(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_the_image_the_commit_and_what_it_was_built_on() {
        let account = Account {
            witness: Witness {
                builder: "https://slipway.example".to_owned(),
                build_url: "https://slipway.example/builds/7".to_owned(),
                begun: 1_790_000_000_000,
            },
            git_ref: "refs/heads/main".to_owned(),
            event: "push".to_owned(),
            number: 7,
        };
        let subject = Subject {
            source: "https://github.com/shop/web".to_owned(),
            commit: "c0ffee".to_owned(),
            ..Subject::default()
        };
        let material = |image: &str, is| Material { image: image.to_owned(), is };
        let making = Making {
            dockerfile: "Dockerfile".to_owned(),
            build_args: vec![("VERSION".to_owned(), "2".to_owned())],
            bases: vec![
                material("alpine:3", Identity::Digest("sha256:aa".to_owned())),
                material("local", Identity::Id("sha256:bb".to_owned())),
            ],
            ..Making::default()
        };
        let said = account.statement(&subject, "web", ("reg/web", "sha256:dd"), &making, 1_790_000_060_000);
        assert_eq!(said["subject"], json!([{"name": "reg/web", "digest": {"sha256": "dd"}}]));
        let definition = &said["predicate"]["buildDefinition"];
        assert_eq!(definition["externalParameters"]["buildArgs"], json!({"VERSION": "2"}));
        let dependencies = definition["resolvedDependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(
            dependencies.first(),
            Some(&json!({"uri": "git+https://github.com/shop/web@refs/heads/main", "digest": {"gitCommit": "c0ffee"}}))
        );
        assert_eq!(dependencies.get(1), Some(&json!({"uri": "docker://alpine:3", "digest": {"sha256": "aa"}})));
        assert!(dependencies.get(2).is_some_and(|local| local["annotations"].is_object()), "{said}");
        let run = &said["predicate"]["runDetails"];
        assert_eq!(run["builder"]["id"], "https://slipway.example");
        assert_eq!(run["metadata"]["finishedOn"], "2026-09-21T14:14:20Z");
    }
}
