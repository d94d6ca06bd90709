//! `slipway build`, `test` and `push`: one plan, taken as far as was asked for.

use std::{collections::BTreeMap, sync::Arc};

use clap::Args;
use slipway_pipelines::{
    config::Config,
    dockerfile::Dockerfile,
    plan::{Action, Goal, Plan, Scope, StepRun, plan},
};
use slipway_runner::{
    StepLimits, StepNetwork,
    coordinator::{JobResult, StepKind},
    engine::Engine,
    local::{self, LocalBuild},
    logs::LogLimits,
    registry,
};

use super::{
    debug, engine,
    flags::{Common, Names, Selection},
    interrupt, logins,
    naming::Naming,
    secrets::{self, SecretFile},
    skip,
};
use crate::cli::{
    Failure, exit,
    language::unplanned,
    progress::{Colours, Progress, Style},
    say,
    tree::{Assumptions, WorkingTree},
};

/// Builds the images of the working tree.
#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    #[command(flatten)]
    making: Making,
}

/// Builds the images of the working tree and runs their tests.
#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    #[command(flatten)]
    making: Making,
}

/// Builds the images of the working tree, runs their tests, and pushes them.
#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    #[command(flatten)]
    making: Making,
    #[command(flatten)]
    selection: Selection,
}

#[derive(Debug, Args)]
struct Making {
    /// The one app that is wanted, with what it needs.
    app: Option<String>,
    /// Builds images again that the engine has for this commit.
    #[arg(short = 'f', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_name = "BOOL", action = clap::ArgAction::Set, default_value_t = false, hide_default_value = true, hide_possible_values = true)]
    force: bool,
    #[command(flatten)]
    names: Names,
    /// Reads a secret from a file, in place of the environment variable of its name.
    #[arg(long = "secret", value_name = "NAME=FILE")]
    secrets: Vec<SecretFile>,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t = Style::Auto)]
    progress: Style,
}

impl Build {
    pub(in crate::cli) async fn run(self, common: Common) -> Result<(), Failure> {
        self.making.carry_out(Goal::Build, Selection::default(), common).await
    }
}

impl Test {
    pub(in crate::cli) async fn run(self, common: Common) -> Result<(), Failure> {
        self.making.carry_out(Goal::Test, Selection::default(), common).await
    }
}

impl Push {
    pub(in crate::cli) async fn run(self, common: Common) -> Result<(), Failure> {
        self.making.carry_out(Goal::Push, self.selection, common).await
    }
}

impl Making {
    async fn carry_out(self, goal: Goal, selection: Selection, common: Common) -> Result<(), Failure> {
        let tree = WorkingTree::open(&std::env::current_dir()?, &common.namespace())?;
        if goal == Goal::Push {
            may_push(&tree)?;
        }
        let naming = Naming::new(&tree, &self.names, common.long_sha)?;
        let mut config = tree.config()?;
        naming.choose(&mut config, &selection);
        // What a push would change is not known of a tree; every pattern of paths then matches.
        let trigger = tree.trigger(Assumptions::default());
        let situation = tree.situation(&config, trigger, Scope { goal, app: self.app.clone() });
        let mut plan = plan(&config, &situation).map_err(|error| unplanned(&error))?;
        if !tree.has_file() {
            say("[slipway] no captain.yml: the Dockerfiles below this folder are built")?;
            tree.other_file().map_or(Ok(()), |hint| say(format_args!("[slipway] {hint}")))?;
        }
        if tree.git.as_ref().is_some_and(|git| git.is_dirty) {
            say("[slipway] there are local changes (git status): images are tagged latest only")?;
        }
        for warning in &plan.warnings {
            say(format_args!("[slipway] warning: {warning}"))?;
        }
        let cancel = interrupt::token()?;
        let engine = engine().await?;
        let built = self.built(&mut plan, &engine, &config, &tree, &naming).await?;
        let names = naming.local(&config, &plan);
        let secrets = secrets::read(&plan, &self.secrets)?;
        let registries = logins::read(&hosts(&plan, situation.tree.dockerfiles.values())).await?;
        if common.debug {
            debug::tell(&plan, &names)?;
        }
        let build = LocalBuild {
            engine,
            tree: tree.root.clone(),
            repository: tree.repository().to_owned(),
            repository_name: tree.repository().to_owned(),
            commit: if naming.is_true() { situation.trigger.commit.clone() } else { String::new() },
            plan,
            names,
            built,
            is_fresh: self.force,
            registries,
            secrets,
            // What a person starts on a machine of theirs may reach what they run there.
            limits: StepLimits { network: StepNetwork::Unguarded, ..StepLimits::default() },
            logs: LogLimits::default(),
        };
        let progress = Progress::new(self.progress, Colours::unless(common.no_color));
        let listening: Arc<Progress> = Arc::clone(&progress);
        let result = Box::pin(local::run(build, listening, cancel)).await;
        progress.close();
        ended(&result?, &progress)
    }

    /// The images that are there already, by app, left out of the plan. With local changes there is no telling.
    async fn built(
        &self,
        plan: &mut Plan,
        engine: &Engine,
        config: &Config,
        tree: &WorkingTree,
        naming: &Naming<'_>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        if self.force || tree.git.as_ref().is_none_or(|git| git.is_dirty) {
            return Ok(BTreeMap::new());
        }
        let apps = plan.steps.iter().map(|step| step.app.clone());
        let commits = apps.filter_map(|app| naming.commit(config, &app).map(|commit| (app, commit))).collect();
        skip::skip_built(plan, engine, &commits).await
    }
}

/// captain's two reasons not to push, before anything is built.
fn may_push(tree: &WorkingTree) -> Result<(), Failure> {
    match &tree.git {
        None => {
            let text =
                "there is no git repository with a commit here, and images are pushed under the names of commits";
            Err(Failure::new(text).with_code(exit::NO_GIT))
        }
        Some(git) if git.is_dirty => {
            let text = "the working tree has local changes (git status): commit or stash them, then push";
            Err(Failure::new(text).with_code(exit::DIRTY))
        }
        Some(_) => Ok(()),
    }
}

/// The registries that a plan may meet: of its own images, of the images that its commands and services run in, and of
/// those that its Dockerfiles build on.
fn hosts<'a>(plan: &Plan, dockerfiles: impl Iterator<Item = &'a String>) -> std::collections::BTreeSet<String> {
    let of_steps = plan.steps.iter().map(|step| match &step.action {
        Action::Build { image, .. } | Action::Push { image, .. } => image.clone(),
        Action::Run { run: StepRun::Shell { image, .. }, .. } => image.clone(),
        Action::Run { run: StepRun::Container { container, .. }, .. } => container.image.clone(),
    });
    let of_services = plan.services.iter().map(|service| service.image.clone());
    let bases = dockerfiles.flat_map(|text| Dockerfile::read(text, &[]).images(None)).map(|used| used.image);
    of_steps.chain(of_services).chain(bases).filter_map(|image| registry::host(&image).ok()).collect()
}

/// How it ended, as an exit code. What failed was told already.
fn ended(result: &JobResult, progress: &Progress) -> Result<(), Failure> {
    match result {
        JobResult::Built { .. } | JobResult::Looked { .. } | JobResult::Live => Ok(()),
        JobResult::Failed { .. } => Err(Failure::told(match progress.failed_kind() {
            Some(StepKind::Test) => exit::TEST,
            Some(StepKind::Push) => exit::REGISTRY,
            _ => exit::FAILED,
        })),
        JobResult::Cancelled => Err(Failure::told(exit::INTERRUPTED)),
    }
}
