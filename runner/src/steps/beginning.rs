//! What a build begins with on the engine, and having it ready before its commit is there.
//!
//! A build mostly begins as the one before it on the same ref did. What that one needed first is made while the commit is
//! fetched: by the same functions that would make it later, for the same job, with the workspace still empty. The plan
//! decides: what it does not ask for exactly so is removed before a file of the commit is where a container could see it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use slipway_pipelines::{
    config::{Mount, MountSource},
    plan::{Action, Plan, PlannedStep, StepRun},
};
use tokio_util::sync::CancellationToken;

use super::{Provisions, ShellCommand, Site};

/// How many images a build may ask for beforehand.
const MOST_IMAGES: usize = 32;

/// What the first containers of a build are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beginning {
    /// The container of the first plain commands.
    shell: Option<FirstShell>,
    /// The images of all steps and services.
    images: BTreeSet<String>,
}

/// A container in which plain commands run, as far as the plan decides on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FirstShell {
    /// The step that it is made for.
    step: u32,
    app: String,
    image: String,
    mounts: Vec<Mount>,
    /// The names of the secrets that its commands are told; it is made without their values.
    secrets: Vec<String>,
    /// The app's services: their places among all of the build's, and their names.
    services: Vec<(usize, String)>,
}

impl Beginning {
    /// How a plan begins.
    pub(crate) fn of(plan: &Plan) -> Self {
        let wanted = plan.steps.iter().filter(|step| step.skipped.is_none());
        let images = wanted.filter_map(image).chain(plan.services.iter().map(|service| service.image.as_str()));
        let images = images.filter(|image| !image.is_empty()).map(str::to_owned);
        Beginning {
            shell: plan.steps.iter().find_map(|step| FirstShell::of(step, plan)),
            images: images.take(MOST_IMAGES).collect(),
        }
    }

    /// Whether what was prepared for this may serve a build that begins so.
    pub(crate) fn serves(&self, other: &Beginning) -> bool {
        self.shell == other.shell
    }
}

/// The image that a step names and has not made itself.
fn image(step: &PlannedStep) -> Option<&str> {
    match &step.action {
        Action::Run { run: StepRun::Shell { image, built: None, .. }, .. } => Some(image),
        Action::Run { run: StepRun::Container { container, built: None }, .. } => Some(&container.image),
        _ => None,
    }
}

impl FirstShell {
    /// The container of a step that may run at once, unless more belongs to it than is known beforehand: a socket of the
    /// build's own, parts of the workspace. Its services need not be there when it is made, only named.
    fn of(step: &PlannedStep, plan: &Plan) -> Option<Self> {
        let Action::Run { run, secrets, engine: false, .. } = &step.action else { return None };
        let StepRun::Shell { image, built: None, mounts, .. } = run else { return None };
        let is_first = step.skipped.is_none() && step.needs.is_empty();
        let are_caches = mounts.iter().all(|mount| matches!(mount.source, MountSource::Cache { .. }));
        let services = plan.services.iter().enumerate().filter(|(_, service)| service.app == step.app);
        (is_first && are_caches).then(|| FirstShell {
            step: step.index,
            app: step.app.clone(),
            image: image.clone(),
            mounts: mounts.clone(),
            secrets: secrets.clone(),
            services: services.map(|(at, service)| (at, service.name.clone())).collect(),
        })
    }

    /// What the commands in it are given, without the values that only they may know.
    fn provisions(&self) -> Provisions {
        let secrets = self.secrets.iter().map(|name| (name.clone(), String::new())).collect();
        Provisions { secrets, ..Provisions::default() }
    }

    fn command<'a>(&'a self, provisions: &'a Provisions) -> ShellCommand<'a> {
        ShellCommand {
            app: &self.app,
            image: &self.image,
            built: None,
            line: "",
            strict: true,
            env: &[],
            mounts: &self.mounts,
            provisions,
        }
    }
}

impl Site {
    /// Prepares what a build may begin with, until all is there or `unwanted` says that nobody needs it. What goes wrong
    /// here the step itself meets again, and tells of.
    pub(crate) async fn prepare(&self, beginning: &Beginning, unwanted: &CancellationToken) {
        let shell = async {
            let Some(first) = &beginning.shell else { return };
            if self.fetch_ahead(&first.image, unwanted).await {
                let provisions = first.provisions();
                let links = first.services.iter().map(|(at, name)| self.origin.service_link(*at, name)).collect();
                self.warm_ahead(first.command(&provisions), first.step, links, unwanted).await;
            }
        };
        let others = async {
            let of_shell = beginning.shell.as_ref().map(|first| &first.image);
            for image in beginning.images.iter().filter(|image| Some(*image) != of_shell) {
                self.fetch_ahead(image, unwanted).await;
            }
        };
        tokio::join!(shell, others);
    }

    /// Takes back what was prepared for a beginning; returns when it is gone. `unwanted` was cancelled before.
    pub(crate) async fn take_back(&self, beginning: &Beginning) {
        if let Some(first) = &beginning.shell {
            let provisions = first.provisions();
            self.cool(first.command(&provisions)).await;
        }
    }

    /// Has an image on the engine; tells whether it is there.
    async fn fetch_ahead(&self, image: &str, unwanted: &CancellationToken) -> bool {
        let fetching = self.fetch_silently(image);
        match unwanted.run_until_cancelled(fetching).await {
            Some(Ok(())) => true,
            Some(Err(error)) => {
                tracing::debug!(%error, "an image was not fetched ahead of its step");
                false
            }
            None => false,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use slipway_pipelines::{
        config::Event,
        detect::RepositoryFacts,
        parse,
        plan::{Reference, Refs, Scope, Situation, Tree, Trigger, plan},
    };

    use super::*;

    fn beginning(captain: &str) -> Beginning {
        let trigger = Trigger {
            repository: "shop/web".to_owned(),
            number: 1,
            event: Event::Push,
            reference: Reference::Branch("main".to_owned()),
            commit: "0".repeat(40),
            default_branch: "main".to_owned(),
            changed: None,
            author: String::new(),
            message: String::new(),
            pull_request: None,
        };
        let situation = Situation { trigger, refs: Refs::default(), tree: Tree::default(), scope: Scope::default() };
        let text = format!("defaults: {{step_image: \"busybox:1\"}}\n{captain}");
        let facts = RepositoryFacts { repository: "shop/web" };
        let config = parse::parse("captain.yml", &text, &facts).unwrap().config;
        Beginning::of(&plan(&config, &situation).unwrap())
    }

    #[test]
    fn the_first_plain_command_that_may_run_at_once_is_prepared_and_every_image_fetched() {
        let begins = beginning(
            "web: {build: Dockerfile, image: web, pre: [{image: 'node:20', run: make, secrets: [TOKEN], cache: [/root/.npm]}], \
             test: [docker run --rm other:2 true]}\n",
        );
        let first = begins.shell.unwrap();
        assert_eq!((first.step, first.app.as_str(), first.image.as_str()), (1, "web", "node:20"));
        assert_eq!((first.mounts.len(), first.secrets.as_slice()), (1, ["TOKEN".to_owned()].as_slice()));
        assert_eq!(begins.images.iter().collect::<Vec<_>>(), ["node:20", "other:2"]);
    }

    #[test]
    fn the_first_container_of_an_app_knows_the_services_of_its_own() {
        let app = |name: &str, service: &str| {
            format!(
                "{name}: {{build: Dockerfile, image: {name}, pre: [make], services: {{{service}: {{image: 'postgres:16'}}}}}}\n"
            )
        };
        let begins = beginning(&format!("{}{}", app("web", "db"), app("api", "cache")));
        assert_eq!(begins.shell.unwrap().services, [(0, "db".to_owned())]);
        assert!(begins.images.contains("postgres:16"));
    }

    #[test]
    fn what_belongs_to_more_than_the_plan_says_is_not_prepared() {
        for app in [
            "pre: [docker run --rm busybox:2 true]",
            "pre: [{run: docker ps, engine: true}]",
            "test: [{run: make, image: web}]",
            "pre: [{run: make, when: {branch: other}}]",
            "post: [make]",
        ] {
            let begins = beginning(&format!("web: {{build: Dockerfile, image: web, {app}}}\n"));
            assert_eq!(begins.shell, None, "{app}");
        }
    }

    #[test]
    fn only_exactly_the_same_container_serves() {
        let of =
            |app: &str, step: &str| beginning(&format!("{app}: {{build: Dockerfile, image: web, pre: [{step}]}}\n"));
        let begins = of("web", "make");
        assert!(begins.serves(&of("web", "make all")), "the shell is told its commands later");
        for other in [
            of("shop", "make"),
            of("web", "{run: make, image: 'node:20'}"),
            of("web", "{run: make, secrets: [TOKEN]}"),
            of("web", "{run: make, cache: [/root/.npm]}"),
            of("web", "make], services: {db: {image: 'postgres:16'}}, post: ["),
            Beginning::default(),
        ] {
            assert!(!begins.serves(&other) && !other.serves(&begins), "{other:?}");
        }
    }
}
