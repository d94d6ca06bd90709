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
/// The name of the repository that an image was built from.
pub const SOURCE: &str = "slipway.source";
/// The repository's id.
pub const REPOSITORY: &str = "slipway.repository";

/// The build that something was made for through its scoped socket; also on images, which have no other label of these.
pub const SOCKET: &str = "slipway.socket";

/// A container of a build's step.
pub const KIND_STEP: &str = "step";
/// The container by which a build's network leads to the hosts that are listed.
pub const KIND_RELAY: &str = "relay";
/// The container that puts up what keeps builds from the machine they run on.
pub const KIND_GUARD: &str = "guard";
/// A build's network.
pub const KIND_NETWORK: &str = "network";
/// A cache volume of a repository.
pub const KIND_CACHE: &str = "cache";
/// A volume that a build's step made through its scoped socket.
pub const KIND_VOLUME: &str = "volume";
/// A container, network or volume of an environment; not touched by builds.
pub const KIND_RELEASE: &str = "release";
/// A container in which a command of a release runs, or has run.
pub const KIND_COMMAND: &str = "command";
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

    /// The labels of the container by which that leads out.
    #[must_use]
    pub fn relay(&self) -> HashMap<String, String> {
        self.of(KIND_RELAY)
    }

    /// The name of that container.
    #[must_use]
    pub fn relay_container(&self) -> String {
        format!("{}-relay", self.name())
    }

    /// The labels of the container that puts up the guard of that network.
    #[must_use]
    pub fn guard(&self) -> HashMap<String, String> {
        self.of(KIND_GUARD)
    }

    /// The name of that container.
    #[must_use]
    pub fn guard_container(&self) -> String {
        format!("{}-guard", self.name())
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

    /// What makes a container know that service by its name, `container:name`.
    #[must_use]
    pub fn service_link(&self, at: usize, name: &str) -> String {
        format!("{}:{name}", self.service_container(at))
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

/// What a runner's earlier lives left, except for the jobs that the present one goes on with.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// The runner's id.
    pub runner: String,
    /// Its present life.
    pub life: String,
    /// Whose objects stay.
    pub resumed: Vec<Origin>,
    /// Whose images stay.
    pub kept: Vec<Origin>,
}

impl Earlier {
    /// Whether an object of the runner's with these labels is meant.
    #[must_use]
    pub fn left(&self, labels: Option<&HashMap<String, String>>) -> bool {
        let label = |name: &str| labels.and_then(|labels| labels.get(name)).map(String::as_str);
        let is_of = |origin: &Origin| {
            label(JOB) == Some(&origin.job) && label(ATTEMPT).and_then(|of| of.parse().ok()) == Some(origin.attempt)
        };
        label(INCARNATION) != Some(&self.life) && !self.resumed.iter().any(is_of)
    }

    /// Whether an image with this name is meant. Images get no labels for this, as labels would be pushed with them.
    #[must_use]
    pub fn left_image(&self, name: &str) -> bool {
        name.strip_prefix("slipway-").and_then(|rest| rest.split_once(':')).is_some_and(|(_, tag)| {
            self.is_of_earlier_life(tag)
                && !self.resumed.iter().chain(&self.kept).any(|origin| name.starts_with(&format!("{}:", origin.name())))
        })
    }

    /// Whether what [`SOCKET`] says this of is meant.
    #[must_use]
    pub fn left_mark(&self, mark: &str) -> bool {
        self.is_of_earlier_life(mark) && !self.resumed.iter().any(|origin| mark == origin.socket_mark())
    }

    fn is_of_earlier_life(&self, tag: &str) -> bool {
        tag.starts_with(&image_tag(&self.runner, ""))
            && !tag.starts_with(&format!("{}-", image_tag(&self.runner, &self.life)))
    }
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
        assert!(!origin.cache().contains_key(INCARNATION), "a cache outlives the runner's life");
    }

    #[test]
    fn what_earlier_lives_left_is_theirs_alone_and_not_of_jobs_that_go_on() {
        let origin = |job: &str, life: &str| Origin {
            runner: "r".to_owned(),
            incarnation: life.to_owned(),
            job: job.to_owned(),
            attempt: 1,
            repository: "repo".to_owned(),
        };
        let (ended, goes_on, new) = (origin("a", "i"), origin("b", "i"), origin("c", "j"));
        let failed = origin("d", "i");
        let other_attempt = Origin { attempt: 2, ..goes_on.clone() };
        let (resumed, kept) = (vec![goes_on.clone()], vec![failed.clone()]);
        let earlier = Earlier { runner: "r".to_owned(), life: "j".to_owned(), resumed, kept };
        for (origin, left) in [(&ended, true), (&other_attempt, true), (&goes_on, false), (&new, false)] {
            assert_eq!(earlier.left(Some(&origin.step(7))), left, "{origin:?}");
            assert_eq!(earlier.left_image(&origin.image(7)), left, "{origin:?}");
            assert_eq!(earlier.left_mark(&origin.socket_mark()), left, "{origin:?}");
        }
        assert!(earlier.left(Some(&failed.step(7))) && !earlier.left_image(&failed.image(7)), "its images alone stay");
        assert!(!Earlier { runner: "s".to_owned(), ..earlier }.left_image(&ended.image(7)), "another runner's");
    }
}
