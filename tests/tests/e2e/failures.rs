//! What a person reads when a build fails: through the API, and on the build's page.
//!
//! Each message is tried out in every detail at the runner (`builds`); here the whole way is, from the push to the page.

use std::time::Duration;

use slipway_tests::{
    databases::TestDatabase,
    engine::EngineLine,
    house::House,
    registry::{PASSWORD, RegistryFixture, USERNAME},
    slipway::Setup,
    wait::until,
};

struct Failures {
    house: House,
    count: u32,
}

/// A captain.yml with this between the image and the end.
fn captain(house: &House, more: &str) -> String {
    format!("defaults: {{step_image: busybox:latest}}\nweb:\n  build: Dockerfile\n  image: {}\n{more}", house.image())
}

impl Failures {
    /// Commits a captain.yml and what it needs.
    fn commit(&mut self, more: &str) -> String {
        self.count += 1;
        let (count, captain) = (self.count.to_string(), captain(&self.house, more));
        let dockerfile = "FROM busybox:latest\nCOPY . /src\n";
        let files = [("captain.yml", captain.as_str()), ("Dockerfile", dockerfile), ("count", &count)];
        self.house.git.commit("main", &files)
    }

    /// Pushes it, and expects a build that fails, and says so.
    async fn fails(&mut self, more: &str, wanted: &str) {
        let commit = self.commit(more);
        self.fails_at("main", &commit, wanted).await;
    }

    /// Announces a commit, and expects a build that fails, and says so.
    async fn fails_at(&self, branch: &str, commit: &str, wanted: &str) {
        let number = self.house.announce(branch, commit).await;
        let build = self.house.build_in(number, "failed").await;
        let reason = build["reason"].as_str().unwrap();
        assert!(reason.contains(wanted), "{wanted} is not said by the API: {reason}");
        let page = self.house.reason_on_page(number).await;
        assert!(page.contains(wanted), "{wanted} is not on the page: {page}");
        assert_eq!(build["artifacts"].as_array().unwrap().len(), 0);
        assert!(self.house.release("dev", 1).await.is_none(), "nothing is released");
    }

    /// Sets the registry's login as a person does.
    async fn log_in(&self, password: &str) {
        let host = self.house.registry.host();
        let arguments = ["registry", "login", &host, "--username", USERNAME, "--all-repositories"];
        let said = self.house.slipway.command(&arguments, &format!("{password}\n")).await;
        assert!(said.status.success(), "{said:?}");
    }
}

#[tokio::test]
async fn every_failure_is_said_in_words_with_its_remedy() {
    let mut line = EngineLine::open();
    let setup = Setup::new().with("SLIPWAY_RUNNER_DOCKER_HOST", &line.host());
    let house = House::furnished(TestDatabase::sqlite(), RegistryFixture::protected().await, setup).await;
    let credentials = house.registry.credentials();
    let mut failures = Failures { house, count: 0 };
    let dev = "environments:\n  dev: {from: {branch: main}}\n";

    // What was committed.
    failures.fails("  tests: [echo]\n", "captain.yml:5:3").await;
    failures
        .fails(
            "api:\n  build: api/Dockerfile\n  image: api.example.com/shop/api\n",
            "there is no Dockerfile at `api/Dockerfile` in this commit",
        )
        .await;
    failures
        .fails("  pre: [echo oh no; exit 7]\n", "(echo oh no; exit 7) failed: the command ended with exit code 7")
        .await;
    failures.log_in(PASSWORD).await;
    let image = failures.house.image();
    failures
        .fails(&format!("  test: [docker run --rm {image} false]\n{dev}"), "the command ended with exit code 1")
        .await;
    assert_eq!(failures.house.pushed("main", &credentials).await, None, "nothing is pushed when a test fails");

    // What is not there any more.
    let gone = failures.commit(dev);
    failures.house.git.force_push("main", &[("README", "a new beginning")]);
    failures.fails_at("main", &gone, &format!("commit {gone} is no longer on the server")).await;
    let deleted = failures.house.git.commit("short-lived", &[("README", "soon gone")]);
    failures.house.git.delete_branch("short-lived");
    failures.fails_at("short-lived", &deleted, "the branch `short-lived` is not on the server").await;

    // What does not work around it.
    let host = failures.house.registry.host();
    failures.log_in("wrong").await;
    failures.fails(dev, &format!("the registry {host} refused the login of `{USERNAME}`")).await;
    failures.log_in(PASSWORD).await;
    failures.house.registry.stop();
    failures.fails(dev, &format!("the registry {host} does not answer")).await;
    failures.house.registry.start().await;
    let commit = failures.commit("");
    let good = failures.house.announce("main", &commit).await;
    failures.house.build_in(good, "succeeded").await;
    failures.house.is_tidy(0).await;

    // What is away for a moment is no failure.
    line.cut();
    let commit = failures.commit("");
    let patient = failures.house.announce("main", &commit).await;
    until("the build to wait for the engine", Duration::from_secs(60), async || {
        failures.house.slipway.output().contains("a job waits for the Docker engine").then_some(())
    })
    .await;
    line.mend();
    failures.house.build_in(patient, "succeeded").await;
}
