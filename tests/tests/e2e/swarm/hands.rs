//! What other hands do to the services of an environment is seen, told and put right.

use slipway_tests::{house::LONG, wait::until};

use super::{DOMAIN, Place, REPLICAS};

const LIMIT: &str = "{{.Spec.TaskTemplate.Resources.Limits.MemoryBytes}}";
const IMAGE: &str = "{{.Spec.TaskTemplate.ContainerSpec.Image}}";
const ASKED: &str = "{{.Spec.Mode.Replicated.Replicas}}";

impl Place {
    /// Scaled, given another image and other limits, and removed.
    pub(super) async fn is_put_right(&self) {
        let service = self.swarm.services().remove(0);
        let image = self.says(&service, IMAGE);
        let told = self.found().await;
        assert!(!told.iter().any(|found| found.starts_with("somebody changed")), "{told:#?}");

        self.change(&["service", "scale", "--detach", &format!("{service}=6")]);
        self.is_found("somebody changed how many tasks its service has: 6 instead of 4").await;
        self.is_back(&service, ASKED, "4").await;
        self.change(&["service", "scale", "--detach", &format!("{service}=1")]);
        self.is_found("somebody changed how many tasks its service has: 1 instead of 4").await;
        self.is_back(&service, ASKED, "4").await;

        self.change(&[&["service", "update", "--detach"], &["--limit-memory", "32M", &service][..]].concat());
        self.is_found("somebody changed TaskTemplate.Resources.Limits.MemoryBytes of its service").await;
        self.is_back(&service, LIMIT, &(64 << 20).to_string()).await;
        let other = ["--no-resolve-image", "--image", "busybox:latest", &service];
        self.change(&[&["service", "update", "--detach"], &other[..]].concat());
        self.is_found("somebody changed TaskTemplate.ContainerSpec.Image of its service").await;
        self.is_back(&service, IMAGE, &image).await;
        assert!(self.house.visit(DOMAIN).await.contains("anew"));

        self.change(&["service", "rm", &service]);
        self.is_found("its container was removed").await;
        until("the service to be made again", LONG, async || self.swarm.services().contains(&service).then_some(()))
            .await;
        assert_eq!(self.settled().await, self.both());
        assert!(self.house.visit(DOMAIN).await.contains("anew"));
    }

    fn change(&self, arguments: &[&str]) {
        drop(self.swarm.manager.docker(arguments));
    }

    fn says(&self, service: &str, format: &str) -> String {
        self.swarm.manager.docker(&["service", "inspect", service, "--format", format]).remove(0)
    }

    /// What was found amiss so far.
    async fn found(&self) -> Vec<String> {
        let drifts = self.house.ask("environments/dev/drifts").await.expect(200).json();
        let told = drifts["items"].as_array().cloned().unwrap_or_default();
        told.iter().filter_map(|drift| Some(drift["found"].as_str()?.to_owned())).collect()
    }

    /// Waits until this is told.
    async fn is_found(&self, what: &str) {
        until(&format!("to be told: {what}"), LONG, async || {
            self.found().await.iter().any(|found| found == what).then_some(())
        })
        .await;
    }

    /// Waits until the service is as it was, and all of its tasks run and are well.
    async fn is_back(&self, service: &str, format: &str, wanted: &str) {
        until(&format!("the service to have {wanted} again"), LONG, async || {
            (self.says(service, format) == wanted && self.swarm.tasks().len() == REPLICAS).then_some(())
        })
        .await;
        self.settled().await;
    }
}
