//! The labels by which Slipway knows its own objects on an engine. It removes nothing that does not carry them.

use std::collections::HashMap;

/// What an object is for: one of the `KIND_*` values.
pub const KIND: &str = "slipway";
/// The id of the runner that made it.
pub const RUNNER: &str = "slipway.runner";
/// The life of that runner that made it; only on what dies with a build.
pub const INCARNATION: &str = "slipway.incarnation";
/// The job it belongs to.
pub const JOB: &str = "slipway.job";
/// Which attempt of the job.
pub const ATTEMPT: &str = "slipway.attempt";
/// The index of the step.
pub const STEP: &str = "slipway.step";
/// The name of the service that a container runs beside the steps of its build.
pub const SERVICE: &str = "slipway.service";
/// What a runner's later life needs to find the commands in a container that several steps share.
pub const SHELL: &str = "slipway.shell";
/// The repository's id.
pub const REPOSITORY: &str = "slipway.repository";

/// The build that something was made for through its scoped socket; also on images, which have no other label of these.
pub const SOCKET: &str = "slipway.socket";

/// A container of a build's step.
pub const KIND_STEP: &str = "step";
/// A build's network.
pub const KIND_NETWORK: &str = "network";
/// A cache volume of a repository.
pub const KIND_CACHE: &str = "cache";
/// A volume that a build's step made through its scoped socket.
pub const KIND_VOLUME: &str = "volume";
/// A container, network or volume of an environment; not touched by builds.
pub const KIND_RELEASE: &str = "release";
/// A container that a process on this machine started for itself, such as the demo's registry.
pub const KIND_HELPER: &str = "helper";
/// The file that is locked as long as such a container is wanted.
pub const LOCK: &str = "slipway.lock";

/// What a job's objects have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The runner's id.
    pub runner: String,
    /// The runner's life.
    pub incarnation: String,
    /// The job's id.
    pub job: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// The repository's id.
    pub repository: String,
}

impl Origin {
    /// The labels of a step's container.
    #[must_use]
    pub fn step(&self, index: u32) -> HashMap<String, String> {
        let mut labels = self.of(KIND_STEP);
        labels.insert(STEP.to_owned(), index.to_string());
        labels
    }

    /// The labels of a service's container, which ends with its build as the steps' do.
    #[must_use]
    pub fn service(&self, name: &str) -> HashMap<String, String> {
        let mut labels = self.of(KIND_STEP);
        labels.insert(SERVICE.to_owned(), name.to_owned());
        labels
    }

    /// The labels of the build's network.
    #[must_use]
    pub fn network(&self) -> HashMap<String, String> {
        self.of(KIND_NETWORK)
    }

    /// The labels of what the build's steps make through their scoped socket.
    #[must_use]
    pub fn scoped(&self, kind: &str) -> HashMap<String, String> {
        let mut labels = self.of(kind);
        labels.insert(SOCKET.to_owned(), self.socket_mark());
        labels
    }

    /// What [`SOCKET`] says on what this job and attempt made.
    #[must_use]
    pub fn socket_mark(&self) -> String {
        format!("{}-{}", image_tag(&self.runner, &self.incarnation), self.name())
    }

    /// The labels of a cache volume, which outlives the job and the runner's life.
    #[must_use]
    pub fn cache(&self) -> HashMap<String, String> {
        [(KIND, KIND_CACHE), (RUNNER, &self.runner), (REPOSITORY, &self.repository)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// The name that the job's network has and that its containers' names begin with. Only this job and attempt has
    /// it, so that a container found under it is known without a look at its labels.
    #[must_use]
    pub fn name(&self) -> String {
        format!("slipway-{}-{}", tail(&self.job), self.attempt)
    }

    /// The name, with a tag, that a just-built image has as long as its build runs.
    #[must_use]
    pub fn image(&self, index: u32) -> String {
        format!("{}:{}-{index}", self.name(), image_tag(&self.runner, &self.incarnation))
    }

    /// The name, with a tag, of the image that a step names through the scoped socket, counted from 1.
    #[must_use]
    pub fn scoped_image(&self, count: u32) -> String {
        format!("{}:{}-s{count}", self.name(), image_tag(&self.runner, &self.incarnation))
    }

    /// The name of a step's container.
    #[must_use]
    pub fn container(&self, index: u32) -> String {
        format!("{}-{index}", self.name())
    }

    /// The name of a container in which several steps' commands run.
    #[must_use]
    pub fn shell_container(&self, key: &str) -> String {
        format!("{}-shell-{key}", self.name())
    }

    /// The name of the container of the plan's service at this place.
    #[must_use]
    pub fn service_container(&self, at: usize) -> String {
        format!("{}-service-{at}", self.name())
    }

    fn of(&self, kind: &str) -> HashMap<String, String> {
        [
            (KIND, kind),
            (RUNNER, &self.runner),
            (INCARNATION, &self.incarnation),
            (JOB, &self.job),
            (ATTEMPT, &self.attempt.to_string()),
            (REPOSITORY, &self.repository),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
    }
}

/// Whether this is the name of an image from an earlier life of the runner. Images get no labels for this, as labels
/// would be pushed with them.
#[must_use]
pub fn is_earlier_image(name: &str, runner: &str, incarnation: &str) -> bool {
    name.strip_prefix("slipway-").and_then(|name| name.split_once(':')).is_some_and(|(_, tag)| {
        tag.starts_with(&image_tag(runner, "")) && !tag.starts_with(&format!("{}-", image_tag(runner, incarnation)))
    })
}

/// Whether [`SOCKET`] says that something was made in an earlier life of the runner.
#[must_use]
pub fn is_earlier_mark(mark: &str, runner: &str, incarnation: &str) -> bool {
    mark.starts_with(&image_tag(runner, "")) && !mark.starts_with(&format!("{}-", image_tag(runner, incarnation)))
}

/// Whether a label is one of this family.
#[must_use]
pub fn is_ours(label: &str) -> bool {
    label == KIND || label.starts_with("slipway.")
}

fn image_tag(runner: &str, incarnation: &str) -> String {
    format!("{}.{}", tail(runner), tail(incarnation))
}

/// The last ten characters of an id, which in a ULID are random, as a name may hold them.
fn tail(id: &str) -> String {
    let skipped = id.chars().count().saturating_sub(10);
    id.chars().skip(skipped).filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// The filter argument that finds objects by their labels.
#[must_use]
pub fn filter(labels: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), labels.iter().map(|(key, value)| format!("{key}={value}")).collect())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_tell_attempts_and_steps_apart() {
        let origin = Origin {
            runner: "r".to_owned(),
            incarnation: "i".to_owned(),
            job: "01JABCDEFGHJKMNPQRSTVWXYZ0".to_owned(),
            attempt: 2,
            repository: "repo".to_owned(),
        };
        assert_eq!(origin.name(), "slipway-qrstvwxyz0-2");
        assert_eq!(origin.container(7), "slipway-qrstvwxyz0-2-7");
        assert_eq!(origin.step(7)[STEP], "7");
        assert_eq!(origin.image(7), "slipway-qrstvwxyz0-2:r.i-7");
        assert!(is_earlier_image(&origin.image(7), "r", "j"));
        assert!(!is_earlier_image(&origin.image(7), "r", "i") && !is_earlier_image(&origin.image(7), "s", "j"));
        assert!(!origin.cache().contains_key(INCARNATION), "a cache outlives the runner's life");
    }
}
