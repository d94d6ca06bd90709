//! What a forge is to show, made of what the database holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use slipway_web::{links, time::duration};

use crate::{
    builds::BuildState,
    ids::ReleaseId,
    queue::StepState,
    releases::{Proposed, ReleaseState},
    store::{builds::Build, releases::Release, steps::Step, text::text_enum},
};

/// The longest description that GitHub takes, in characters.
const LONGEST: usize = 140;
/// The longest context, in characters: people read it in a narrow list.
const LONGEST_CONTEXT: usize = 100;
/// The longest name of a branch within a context, in characters.
const LONGEST_BASE: usize = 60;

/// What a forge is to show. It is stored as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ForgeReport")]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// The state of a commit.
    Status(Status),
    /// A release.
    Deployment(Deployment),
}

text_enum! {
    /// The states of a commit that GitHub knows.
    StatusState {
        /// It is not decided.
        Pending = "pending",
        /// All went well.
        Success = "success",
        /// What was tried did not work.
        Failure = "failure",
        /// It was not tried to the end.
        Error = "error",
    }
}

/// A commit status: the newest of a context is what the forge shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CommitStatus")]
pub struct Status {
    /// The commit.
    pub sha: String,
    /// What it is of, such as `slipway/push`.
    pub context: String,
    /// The state.
    pub state: StatusState,
    /// A line for people.
    pub description: String,
    /// The path of its page on this server.
    pub page: String,
}

text_enum! {
    /// The states of a deployment that GitHub knows, as far as a release has them.
    DeploymentState {
        /// It waits for people or for its time.
        Pending = "pending",
        /// It waits for its turn.
        Queued = "queued",
        /// It is on its way.
        InProgress = "in_progress",
        /// It is what the environment runs.
        Success = "success",
        /// It came to nothing.
        Failure = "failure",
        /// Another has taken its place, or it is not wanted.
        Inactive = "inactive",
    }
}

/// A release, as a deployment with its newest status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// The release, by which the deployment is known again.
    pub release: ReleaseId,
    /// The commit.
    pub sha: String,
    /// The environment.
    pub environment: String,
    /// The state.
    pub state: DeploymentState,
    /// A line for people.
    pub description: String,
    /// The path of its page on this server.
    pub page: String,
    /// The domain, or a path of it, by which people reach it.
    pub domain: Option<String>,
}

impl Report {
    /// What it is of: of two with the same subject only the newer one counts.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Report::Status(status) => format!("status {} {}", status.sha, status.context),
            Report::Deployment(deployment) => format!("deployment {}", deployment.release),
        }
    }
}

impl Status {
    /// The status of a build that pushed these apps' images; none as long as only its checkout can tell the commit. What
    /// caused a build is part of the context: a push and a pull request of one commit are two results.
    #[must_use]
    pub fn of_build(repository: &str, build: &Build, apps: &[String]) -> Option<Status> {
        if build.commit_sha.is_empty() {
            return None;
        }
        let reason = build.reason.as_deref();
        let (state, description) = match build.state {
            BuildState::Queued => (StatusState::Pending, reason.unwrap_or("waits for a runner").to_owned()),
            BuildState::Awaiting => (StatusState::Pending, "waits for approval: nothing of it has run".to_owned()),
            BuildState::Running => (StatusState::Pending, "is being built".to_owned()),
            BuildState::Succeeded => (StatusState::Success, success(build, apps)),
            BuildState::Failed => (StatusState::Failure, reason.unwrap_or("failed").to_owned()),
            BuildState::Cancelled => (StatusState::Error, reason.unwrap_or("cancelled").to_owned()),
        };
        Some(Status {
            sha: build.commit_sha.clone(),
            context: format!("slipway/{}", build.event),
            state,
            description: described(build.number, &description),
            page: links::build(repository, build.number),
        })
    }
}

impl Status {
    /// The status that says what merging the pull request of a build would release.
    #[must_use]
    pub fn of_proposal(repository: &str, build: &Build, proposed: &[Proposed]) -> Status {
        Status {
            sha: build.commit_sha.clone(),
            context: "slipway/release".to_owned(),
            state: StatusState::Success,
            description: described(build.number, &Proposed::in_a_line(proposed)),
            page: links::build(repository, build.number),
        }
    }

    /// The same of a pull request into this branch, where that is not the default one: one commit may be merged into several,
    /// each with its own result.
    #[must_use]
    pub fn into_branch(mut self, base: Option<&str>) -> Status {
        if let Some(base) = base {
            let end = self.context.find(':').unwrap_or(self.context.len());
            self.context.insert_str(end, &format!(" ({})", cut(base, LONGEST_BASE)));
        }
        self
    }

    /// The status of a step of a build, the `nth` of its name there, from 1; none before it begins.
    #[must_use]
    pub fn of_step(repository: &str, build: &Build, step: &Step, nth: usize) -> Option<Status> {
        let reason = step.reason.as_deref();
        let took = || step.started_at.zip(step.finished_at).map(|(from, to)| format!("took {}", duration(to - from)));
        let (state, description) = match step.state {
            StepState::Pending => return None,
            StepState::Running => (StatusState::Pending, "runs".to_owned()),
            StepState::Lost => (StatusState::Pending, "its runner was lost".to_owned()),
            StepState::Succeeded => (StatusState::Success, took().unwrap_or_else(|| "succeeded".to_owned())),
            StepState::Skipped => (StatusState::Success, format!("skipped: {}", reason.unwrap_or("not needed"))),
            StepState::Failed => (StatusState::Failure, reason.unwrap_or("failed").to_owned()),
            StepState::Cancelled => (StatusState::Error, reason.unwrap_or("cancelled").to_owned()),
        };
        if build.commit_sha.is_empty() {
            return None;
        }
        let of = [step.app.as_deref(), Some(step.kind.as_str()), Some(&step.name)];
        let of: Vec<&str> = of.into_iter().flatten().flat_map(str::split_whitespace).collect();
        let context = told_apart(&format!("slipway/{}: {}", build.event, of.join(" ")));
        let attempt = links::attempt(&links::build(repository, build.number), step.attempt);
        Some(Status {
            sha: build.commit_sha.clone(),
            context: if nth > 1 { format!("{context} ({nth})") } else { context },
            state,
            description: described(build.number, &description),
            page: links::step(&attempt, u32::try_from(step.position).unwrap_or(0)),
        })
    }
}

impl Deployment {
    /// A release to an environment of this name.
    #[must_use]
    pub fn of_release(repository: &str, environment: &str, release: &Release) -> Deployment {
        let reason = release.reason.as_deref();
        let (state, description) = match release.state {
            ReleaseState::Held => (DeploymentState::Pending, reason.unwrap_or("waits")),
            ReleaseState::Queued => (DeploymentState::Queued, reason.unwrap_or("waits for its rollout")),
            ReleaseState::Rolling => (DeploymentState::InProgress, "is rolled out"),
            ReleaseState::Live => (DeploymentState::Success, "is live"),
            ReleaseState::Failed => (DeploymentState::Failure, reason.unwrap_or("failed")),
            ReleaseState::Retired => (DeploymentState::Inactive, reason.unwrap_or("another took its place")),
            ReleaseState::Superseded => (DeploymentState::Inactive, reason.unwrap_or("a newer one was wanted instead")),
            ReleaseState::Rejected => (DeploymentState::Inactive, reason.unwrap_or("was not wanted")),
        };
        Deployment {
            release: release.id.clone(),
            sha: release.commit_sha.clone(),
            environment: environment.to_owned(),
            state,
            description: described(release.number, description),
            page: links::release(repository, environment, release.number),
            domain: release.content.iter().find_map(|app| app.run.domain.clone()),
        }
    }
}

fn success(build: &Build, apps: &[String]) -> String {
    let took = build.started_at.zip(build.finished_at).map(|(from, to)| duration(to - from));
    let built = took.map_or_else(|| "built".to_owned(), |took| format!("built in {took}"));
    if apps.is_empty() { built } else { format!("{built}: {}", apps.join(", ")) }
}

/// A description on one line, cut to what the forge takes.
fn described(number: i64, text: &str) -> String {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    cut(&format!("#{number} {}", words.join(" ")), LONGEST)
}

/// A text of at most so many characters.
/// A context that is not too long. Where it is cut, a few digits of the whole keep it apart from others that begin alike.
fn told_apart(context: &str) -> String {
    if context.chars().count() <= LONGEST_CONTEXT {
        return context.to_owned();
    }
    let digits: String = Sha256::digest(context).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{} {digits}", cut(context, LONGEST_CONTEXT - digits.len() - 1))
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let cut: String = text.chars().take(longest - 1).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{BuildId, RepositoryId};

    fn build(state: BuildState, reason: Option<&str>) -> Build {
        Build {
            id: BuildId::new(),
            repository_id: RepositoryId::new(),
            number: 7,
            event: "push".to_owned(),
            git_ref: "refs/heads/main".to_owned(),
            commit_sha: "c".repeat(40),
            before_sha: None,
            message: String::new(),
            author: String::new(),
            state,
            reason: reason.map(str::to_owned),
            created_at: 0,
            started_at: Some(1_000),
            finished_at: state.is_final().then_some(42_500),
        }
    }

    fn said(state: BuildState, reason: Option<&str>, apps: &[&str]) -> Option<(StatusState, String)> {
        let apps: Vec<String> = apps.iter().map(|app| (*app).to_owned()).collect();
        Status::of_build("acme/shop", &build(state, reason), &apps).map(|status| (status.state, status.description))
    }

    #[test]
    fn each_state_of_a_build_is_one_of_a_commit() {
        for (state, reason, apps, shown, words) in [
            (BuildState::Queued, None, &[][..], StatusState::Pending, "#7 waits for a runner"),
            (BuildState::Queued, Some("the runner was lost"), &[], StatusState::Pending, "#7 the runner was lost"),
            (BuildState::Running, None, &[], StatusState::Pending, "#7 is being built"),
            (BuildState::Succeeded, None, &["web", "api"], StatusState::Success, "#7 built in 41.5 s: web, api"),
            (BuildState::Succeeded, None, &[], StatusState::Success, "#7 built in 41.5 s"),
            (BuildState::Failed, Some("step 2 failed:\nexit 1"), &[], StatusState::Failure, "#7 step 2 failed: exit 1"),
            (BuildState::Cancelled, Some("cancelled by ada"), &[], StatusState::Error, "#7 cancelled by ada"),
        ] {
            assert_eq!(said(state, reason, apps), Some((shown, words.to_owned())), "{state}");
        }
        let unknown = Build { commit_sha: String::new(), ..build(BuildState::Queued, None) };
        assert_eq!(Status::of_build("acme/shop", &unknown, &[]), None);
    }

    #[test]
    fn a_description_is_cut_between_characters() {
        let long = described(7, &"ä".repeat(500));
        assert_eq!((long.chars().count(), long.ends_with("ä…")), (LONGEST, true));
        assert_eq!(described(7, &"x".repeat(LONGEST - 3)).chars().count(), LONGEST);
    }

    #[test]
    fn a_push_and_a_pull_request_of_one_commit_are_two_subjects() {
        let of = |event: &str| {
            let build = Build { event: event.to_owned(), ..build(BuildState::Queued, None) };
            Status::of_build("acme/shop", &build, &[]).map(|status| Report::Status(status).subject())
        };
        assert_ne!(of("push"), of("pull_request"));
        assert_eq!(of("tag"), Some(format!("status {} slipway/tag", "c".repeat(40))));
    }

    #[test]
    fn contexts_that_begin_alike_are_told_apart() {
        let long = |end: &str| told_apart(&format!("slipway/push: web test {} {end}", "docker run --rm ".repeat(8)));
        assert!(long("verify").chars().count() <= LONGEST_CONTEXT);
        assert_ne!(long("verify"), long("package"));
        assert_eq!(long("verify"), long("verify"));
        assert_eq!(told_apart("slipway/push"), "slipway/push");
    }

    #[test]
    fn a_pull_request_into_another_branch_has_contexts_of_its_own() {
        let status = |context: &str, base| {
            let page = String::new();
            let (sha, description) = (String::new(), String::new());
            Status { sha, context: context.to_owned(), state: StatusState::Pending, description, page }
                .into_branch(base)
                .context
        };
        assert_eq!(status("slipway/pull_request", None), "slipway/pull_request");
        assert_eq!(status("slipway/pull_request", Some("v1")), "slipway/pull_request (v1)");
        assert_eq!(status("slipway/pull_request: web build", Some("v1")), "slipway/pull_request (v1): web build");
    }
}
