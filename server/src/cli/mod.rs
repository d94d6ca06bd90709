//! The command line: `slipway server`, commands that talk to a running server by its API, and those that work on a
//! working tree without any server.

mod alert;
mod approve_build;
mod builds;
mod channel;
mod client;
mod container;
mod delivery;
mod environment;
mod exit;
mod forge;
mod gc;
mod groups;
mod history;
mod language;
mod listing;
mod local;
mod logging;
mod logs;
mod measurements;
mod placement;
mod progress;
mod protection;
mod refusal;
mod registry;
mod releases;
mod repository;
mod retry;
mod runner;
mod schedule;
mod secret;
mod server;
mod services;
mod signing;
mod steering;
mod steps;
mod token;
mod tokens;
mod tree;
mod trigger;
mod trust;
mod user;
mod waiting;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};

pub use client::{Client, ClientError};

use crate::{
    config::Overrides,
    demo::{self, DemoArgs},
};

/// From a commit to a container to a running release.
#[derive(Debug, Parser)]
#[command(name = "slipway", version, propagate_version = true)]
struct Cli {
    /// captain takes some of its flags before the command.
    #[command(flatten)]
    before: Before,
    #[command(subcommand)]
    command: Command,
}

/// The flags of the local commands, where they stand before the command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Before build, test, push, pull, purge, plan, detect, lint")]
struct Before {
    #[command(flatten)]
    common: local::Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server, with its dashboard and its embedded runner.
    Server(Box<Overrides>),
    /// Runs jobs for a server on another machine, or admits such a runner.
    Runner(Box<runner::RunnerCommand>),
    /// Shows the whole story on this machine: pushes that become releases, a promotion, a rollback.
    Demo(DemoArgs),
    /// Access tokens.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// People with an account, and what they may do.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Connected repositories.
    #[command(subcommand)]
    Repository(repository::RepositoryCommand),
    /// Shows what would run of a build that waits for an approval, and approves the commit that you name.
    ApproveBuild(approve_build::ApproveBuild),
    /// Refuses a build that waits for an approval.
    RefuseBuild(approve_build::RefuseBuild),
    /// Has a build that failed tried again, with the logs of its earlier attempts kept.
    Retry(retry::Retry),
    /// Lists builds, newest first; or shows one, and waits for it.
    Builds(Box<builds::Builds>),
    /// The steps of a build or a release, and the log of one, or its lines that hold a text.
    Logs(logs::Logs),
    /// What the containers of what is live write.
    #[command(subcommand)]
    Container(container::ContainerCommand),
    /// Logins to image registries.
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// Credentials by which forges are shown what happened to their commits.
    #[command(subcommand)]
    Forge(forge::ForgeCommand),
    /// The keys by which the server signs the images that its builds push.
    #[command(subcommand)]
    Signing(signing::SigningCommand),
    /// Environments.
    #[command(subcommand)]
    Environment(placement::EnvironmentCommand),
    /// Shows what is live in each environment of a repository, and what waits for what.
    Environments(releases::Environments),
    /// Shows what was released to an environment, or all of one release.
    Releases(Box<history::Releases>),
    /// Makes every container of what is live in an environment anew, such as after its engine was lost.
    Restore(Box<placement::RestoreEnvironment>),
    /// Releases to an environment what is live where it takes its releases from.
    Promote(Box<releases::Promote>),
    /// Releases again what an earlier release held; it waits for nothing.
    Rollback(Box<releases::Rollback>),
    /// Agrees to a release that is held.
    Approve(Box<releases::Approve>),
    /// Refuses a release that is held.
    Reject(Box<releases::Reject>),
    /// Pauses the rollout that is under way: containers and traffic stay as they are.
    Pause(Box<steering::Pause>),
    /// Lets a paused rollout go on.
    Resume(Box<steering::Resume>),
    /// Ends the rollout that is under way: what was live before serves alone again.
    Cancel(Box<steering::Cancel>),
    /// Lets nothing be released to an environment but rollbacks.
    Freeze(Box<protection::Freeze>),
    /// Lets releases into an environment again.
    Unfreeze(Box<protection::Unfreeze>),
    /// Shows or changes what the server asks of an environment's releases, whatever captain.yml says.
    Protect(Box<protection::Protect>),
    /// Shows what runs where: every container of what is live, its address, and how it is.
    Services(services::Services),
    /// Shows what the apps of an environment, or a runner's host, use: CPU, memory, restarts and health.
    Measurements(measurements::Measurements),
    /// Secrets of builds and releases.
    #[command(subcommand, visible_alias = "secrets")]
    Secret(secret::SecretCommand),
    /// Removes what the limits of retention no longer keep, at once instead of within the hour.
    Gc(gc::Gc),
    /// Where people are told what happened.
    #[command(subcommand)]
    Channel(channel::ChannelCommand),
    /// What is wrong now.
    #[command(subcommand)]
    Alert(alert::AlertCommand),
    /// Webhook deliveries.
    #[command(subcommand)]
    Delivery(delivery::DeliveryCommand),
    /// Builds at set times.
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Has the server build a branch or a tag.
    Trigger(trigger::Trigger),
    /// Builds the images of the working tree.
    Build(WithCommon<local::Build>),
    /// Builds the images of the working tree and runs their tests.
    Test(WithCommon<local::Test>),
    /// Builds the images of the working tree, runs their tests, and pushes them.
    Push(WithCommon<local::Push>),
    /// Pulls the images of the working tree's commit: latest, its branch and its git tags.
    Pull(WithCommon<local::Pull>),
    /// Deletes the working tree's stale images from the engine: those that are of no branch's or tag's latest commit.
    Purge(WithCommon<local::Purge>),
    /// Says what is wrong with a captain.yml.
    Lint(WithCommon<language::Lint>),
    /// Shows what a build would do, and why: as a tree, or as JSON.
    Plan(WithCommon<language::PlanCommand>),
    /// Prints the captain.yml that auto-detection implies.
    Detect(WithCommon<language::Detect>),
    /// Prints the JSON Schema of captain.yml, for editors.
    Schema(language::Schema),
    /// Prints the version, as captain does.
    Version,
    /// Says how to update.
    #[command(hide = true)]
    SelfUpdate,
}

/// A local command with the flags that all of them have.
#[derive(Debug, Args)]
struct WithCommon<C: Args> {
    #[command(flatten)]
    command: C,
    #[command(flatten)]
    common: local::Common,
}

impl Command {
    /// Whether the flags that may stand before it are its own.
    fn is_local(&self) -> bool {
        matches!(
            self,
            Command::Build(_)
                | Command::Test(_)
                | Command::Push(_)
                | Command::Pull(_)
                | Command::Purge(_)
                | Command::Lint(_)
                | Command::Plan(_)
                | Command::Detect(_)
                | Command::Version
                | Command::SelfUpdate
        )
    }
}

/// Why a command failed: a sentence for the terminal, unless everything was said, and the process's exit code.
#[derive(Debug)]
pub struct Failure {
    text: String,
    code: u8,
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let cause = (&error as &(dyn std::error::Error + 'static)).downcast_ref::<io::Error>();
        if cause.and_then(io::Error::get_ref).is_some_and(|cause| cause.is::<Closed>()) {
            return Failure::told(exit::CLOSED);
        }
        Failure::new(error.to_string())
    }
}

impl Failure {
    /// A failure with this text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Failure { text: text.into(), code: exit::FAILED }
    }

    /// The same with another exit code.
    #[must_use]
    fn with_code(self, code: u8) -> Self {
        Failure { code, ..self }
    }

    /// A failure of which everything was said.
    fn told(code: u8) -> Self {
        Failure { text: String::new(), code }
    }
}

/// Runs the command that the process was started with.
///
/// Exit codes: 0 it was done; 1 it failed, and standard error says why; 2 the command line makes no sense; 141 nobody reads
/// the output any more. The local commands have more of them, see docs/commands.md.
#[must_use]
pub fn main() -> ExitCode {
    // The first thing of all: two providers in one process would panic at the first connection.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return fail(&Failure::new("another TLS provider was installed before Slipway's"));
    }
    // What a crash leaves holds secrets, and lies where the machine wants it.
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        return fail(&Failure::new(format!("core dumps cannot be turned off: {error}")));
    }
    let parsed = groups::grouped(Cli::command()).try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refusal::tell(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    if !cli.before.common.is_empty() && !cli.command.is_local() {
        return fail(&Failure::new("-D, -N, -n and -l belong to the local commands").with_code(exit::USAGE));
    }
    match runtime.block_on(Box::pin(run(cli.command, cli.before.common))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

async fn run(command: Command, before: local::Common) -> Result<(), Failure> {
    match command {
        Command::Server(overrides) => server::run(*overrides).await,
        Command::Runner(command) => runner::run(*command).await,
        Command::Demo(args) => Ok(demo::run(args).await?),
        Command::Token(command) => token::run(command).await,
        Command::User(command) => user::run(command).await,
        Command::Repository(command) => repository::run(command).await,
        Command::ApproveBuild(asked) => approve_build::approve(asked).await,
        Command::RefuseBuild(asked) => approve_build::refuse(asked).await,
        Command::Retry(retry) => retry::run(retry).await,
        Command::Builds(builds) => builds.run().await,
        Command::Logs(logs) => logs.run().await,
        Command::Container(command) => container::run(command).await,
        Command::Registry(command) => registry::run(command).await,
        Command::Forge(command) => forge::run(command).await,
        Command::Signing(command) => signing::run(command).await,
        Command::Services(command) => command.run().await,
        Command::Measurements(command) => command.run().await,
        Command::Environment(command) => placement::run(command).await,
        Command::Environments(environments) => environments.run().await,
        Command::Releases(releases) => releases.run().await,
        Command::Restore(restore) => restore.run().await,
        Command::Promote(promote) => promote.run().await,
        Command::Rollback(rollback) => rollback.run().await,
        Command::Approve(approve) => approve.run().await,
        Command::Reject(reject) => reject.run().await,
        Command::Pause(pause) => pause.run().await,
        Command::Resume(resume) => resume.run().await,
        Command::Cancel(cancel) => cancel.run().await,
        Command::Freeze(freeze) => freeze.run().await,
        Command::Unfreeze(unfreeze) => unfreeze.run().await,
        Command::Protect(protect) => protect.run().await,
        Command::Secret(command) => secret::run(command).await,
        Command::Gc(gc) => gc.run().await,
        Command::Channel(command) => channel::run(command).await,
        Command::Alert(command) => alert::run(command).await,
        Command::Delivery(command) => delivery::run(command).await,
        Command::Schedule(command) => schedule::run(command).await,
        Command::Trigger(trigger) => trigger::run(trigger).await,
        Command::Build(of) => of.command.run(of.common.or(before)).await,
        Command::Test(of) => of.command.run(of.common.or(before)).await,
        Command::Push(of) => of.command.run(of.common.or(before)).await,
        Command::Pull(of) => of.command.run(of.common.or(before)).await,
        Command::Purge(of) => of.command.run(of.common.or(before)).await,
        Command::Lint(of) => of.command.run(&of.common.or(before).namespace()).await,
        Command::Plan(of) => of.command.run(&of.common.or(before).namespace()),
        Command::Detect(of) => of.command.run(&of.common.or(before).namespace()),
        Command::Schema(schema) => schema.run(),
        Command::Version => Ok(say(format_args!("v{}", env!("CARGO_PKG_VERSION")))?),
        Command::SelfUpdate => Err(Failure::new(
            "slipway does not replace itself: install the new version as this one was installed, see docs/operations.md",
        )),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    if !failure.text.is_empty() {
        // Where standard error is gone, there is nobody left to tell.
        drop(writeln!(io::stderr(), "slipway: {}", failure.text));
    }
    ExitCode::from(failure.code)
}

/// Prints a line for whoever called the command. What it holds of others, such as a commit's message, moves no terminal.
///
/// # Errors
/// When standard output is closed.
pub fn say(line: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let written = if out.is_terminal() {
        let text = line.to_string();
        text.split('\n').try_for_each(|line| writeln!(out, "{}", progress::plain(line)))
    } else {
        writeln!(out, "{line}")
    };
    written.and_then(|()| out.flush()).map_err(closed)
}

/// Whoever read the output has had enough, as `head` has: no failure that wants words.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed;

/// Marks the error of standard output that nobody reads any more.
fn closed(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { io::Error::new(error.kind(), Closed) } else { error }
}

/// The two parts of a repository's name, as the API's paths have them.
fn repository_path(repository: &str) -> Result<(&str, &str), Failure> {
    let parts = repository.split_once('/').filter(|(owner, name)| !owner.is_empty() && !name.is_empty());
    parts.ok_or_else(|| Failure::new(format!("“{repository}” is no repository's name: owner/name was expected")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_documentation_names_every_command() {
        let documentation = include_str!("../../../docs/commands.md");
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = format!("`slipway {}`", command.get_name());
            let line = documentation.lines().find(|line| line.split(" | ").next().unwrap_or_default().contains(&name));
            assert!(line.is_some(), "docs/commands.md has no line for {name}");
            for one in command.get_subcommands() {
                let is_named = line.is_some_and(|line| line.contains(&format!("`{}`", one.get_name())));
                assert!(is_named, "docs/commands.md does not name {} of {name}", one.get_name());
            }
        }
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
