//! What a forge holds of a pull request: its merge, nothing, or the merge of an older tip.

use std::{path::PathBuf, time::Duration};

use slipway_pipelines::plan::PullRequest;
use slipway_runner::{
    checkout::{Aim, Checkout, CheckoutError, CheckoutLimits, CheckoutRequest, Mirrors},
    coordinator::StepOutcome,
};
use slipway_tests::{
    build_house::BuildHouse,
    git_server::{GitRepository, GitServer},
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const MERGE_REF: &str = "refs/pull/7/merge";

/// A repository with a pull request from `topic` to `main`, and a runner's mirrors without patience.
struct Desk {
    _server: GitServer,
    git: GitRepository,
    folder: TempDir,
    mirrors: Mirrors,
}

impl Desk {
    async fn new() -> Self {
        let server = GitServer::start().await;
        let git = server.repository("web");
        git.commit("main", &[("file", "")]);
        let folder = tempfile::tempdir().unwrap();
        let limits = CheckoutLimits { merge: Duration::ZERO, ..CheckoutLimits::default() };
        let mirrors = Mirrors::new(folder.path().join("mirrors"), limits);
        Desk { _server: server, git, folder, mirrors }
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    async fn check_out(&self, tip: &str) -> Result<Checkout, CheckoutError> {
        let _ = std::fs::remove_dir_all(self.tree());
        let request = CheckoutRequest {
            repository: "web".to_owned(),
            clone_url: self.git.url().to_owned(),
            login: None,
            git_ref: MERGE_REF.to_owned(),
            aim: Aim::Merge(tip.to_owned()),
        };
        let (progress, _told) = mpsc::unbounded_channel();
        self.mirrors.checkout(request, &self.tree(), &CancellationToken::new(), progress).await
    }

    fn none_of(tip: &str) -> Result<Checkout, CheckoutError> {
        Err(CheckoutError::NotMerged { name: MERGE_REF.to_owned(), tip: tip.to_owned() })
    }
}

#[tokio::test]
async fn only_a_merge_of_the_very_tip_is_taken() {
    let desk = Desk::new().await;
    let first = desk.git.branch_off("topic", "main", &[("topic", "first")]);
    assert_eq!(desk.check_out(&first).await, Desk::none_of(&first), "there is none yet");

    let base = desk.git.commit("main", &[("file", "newer")]);
    let merge = desk.git.merge_pull_request(7, "topic", "main");
    let found = desk.check_out(&first).await.unwrap();
    assert_eq!((found.written, found.merged_into), (merge, Some(base)));
    assert_eq!((found.commit.name.as_str(), found.commit.message.as_str()), (first.as_str(), "a change"));
    let read = |name: &str| std::fs::read_to_string(desk.tree().join(name)).unwrap();
    assert_eq!((read("topic"), read("file")), ("first".to_owned(), "newer".to_owned()), "both sides are there");

    // The next push conflicts, so that the forge keeps the merge of the tip before.
    let second = desk.git.commit("topic", &[("topic", "second")]);
    assert_eq!(desk.check_out(&second).await, Desk::none_of(&second), "it merges another commit");
    assert!(!desk.tree().exists(), "nothing of it is written");
    let said = desk.check_out(&second).await.unwrap_err().to_string();
    assert!(said.contains("conflicts with its target") && said.contains(&second), "{said}");
}

/// Whoever may write the ref does not get just any commit built under a pull request's name.
#[tokio::test]
async fn what_is_no_merge_or_merges_something_else_is_refused() {
    let desk = Desk::new().await;
    let tip = desk.git.branch_off("topic", "main", &[("topic", "")]);
    desk.git.set_ref(MERGE_REF, &tip);
    assert_eq!(desk.check_out(&tip).await, Desk::none_of(&tip), "the tip itself is no merge");
    desk.git.branch_off("other", "main", &[("other", "")]);
    desk.git.merge_pull_request(7, "other", "main");
    assert_eq!(desk.check_out(&tip).await, Desk::none_of(&tip), "a merge of another branch");

    // A merge that was fetched before is not taken from the mirror once the forge has it no more.
    desk.git.merge_pull_request(7, "topic", "main");
    desk.check_out(&tip).await.unwrap();
    desk.git.remove_ref(MERGE_REF);
    assert_eq!(desk.check_out(&tip).await, Desk::none_of(&tip));
}

/// The whole build, as a person reads of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_a_pull_request_that_conflicts_says_so_and_what_to_do() {
    let mut house = BuildHouse::new().await;
    house.config.limits.checkout.merge = Duration::from_secs(1);
    house.commit("web: {build: Dockerfile, image: IMAGE}\n", &[("file", "theirs\n")]);
    let first = house.repository.branch_off("topic", "main", &[("topic", "")]);
    let merge = house.repository.merge_pull_request(7, "topic", "main");
    let second = house.repository.commit("topic", &[("file", "ours\n")]);
    house.repository.commit("main", &[("file", "another\n")]);
    house.pull_request = Some(PullRequest { number: 7, head: "topic".to_owned(), base: "main".to_owned() });

    let job = house.queue_ref(MERGE_REF, &second);
    let build = house.ended(&job).await;
    let said = build.failure();
    assert!(said.starts_with("step 0 (checkout) failed: refs/pull/7/merge holds no merge of "), "{said}");
    assert!(said.contains(&second) && said.contains("it conflicts with its target"), "{said}");
    assert!(said.ends_with("Resolve the conflict and push, or build it again"), "{said}");
    let checkout = build.step("checkout");
    assert!(checkout.text().contains("the forge has not merged it yet; looking again"), "{}", checkout.text());
    assert!(checkout.text().contains("Resolve the conflict and push"), "{}", checkout.text());
    assert_eq!((checkout.outcome(), build.0.steps.len()), (Some(StepOutcome::Failed), 1), "nothing of it ran");
    house.leaves_nothing().await;

    // The merge that the forge has is of the commit before, which is built.
    let job = house.queue_ref(MERGE_REF, &first);
    let build = house.ended(&job).await;
    assert_eq!(build.step("checkout").result.as_ref().unwrap().output["commit"], merge);
}
