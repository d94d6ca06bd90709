//! `slipway demo`: the product on one machine, from a push to a running release, observed and checked.
//!
//! The demo starts a registry, a git server and two Caddys, then the server as a user would have it, and drives it only from
//! outside: signed deliveries, the API, requests to what was released.

mod client;
mod error;
mod parts;
mod registry;
mod sample;
mod story;
mod terminal;
mod visitor;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use slipway_runner::{AtShutdown, engine::Engine};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use error::DemoError;

use crate::{
    access::FirstToken,
    app::App,
    config::{Config, Overrides},
    secrets::Secret,
};
use client::Client;
use parts::Part;
use registry::Registry;
use sample::Sample;
use story::Story;
use terminal::Terminal;

/// What the demo can be asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// End after the story, clean up, and exit with 0 only if all of it was really observed.
    #[arg(long)]
    once: bool,
    /// Where the dashboard listens.
    #[arg(long, default_value = "127.0.0.1:7878", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The image that the registry runs from where the program docker-registry is not installed.
    #[arg(long, default_value = "registry:2", value_name = "IMAGE")]
    registry_image: String,
    /// Keep the demo's files in this new folder instead of a temporary one.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Shows the story, and leaves the dashboard up until Ctrl-C unless told to end at once. Whatever happens, what the
/// demo made on the engine is removed at the end.
///
/// # Errors
/// When a part does not start, or something that the story tells did not happen.
pub async fn run(args: DemoArgs) -> Result<(), DemoError> {
    let terminal = Terminal::stdout();
    let temporary = tempfile::Builder::new().prefix("slipway-demo-").tempdir()?;
    let folder = args.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    // The server's own data directory is made with the narrowest rights; git's and the registry's folders stand beside.
    let folder = folder.canonicalize()?;

    terminal.chapter("Slipway's demo: from a push to a running release");
    let mut ending = Ending::listen()?;
    let engine = Engine::connect(None).await?;
    registry::remove_abandoned(&engine).await?;
    let plan = tokio::select! {
        plan = registry::Plan::make(engine, &args.registry_image, &terminal) => plan?,
        () = ending.asked_for() => return Err(DemoError::Interrupted),
    };
    let registry = plan.start(&folder).await?;
    let socket = temporary.path().join("switch.sock");
    let (told, struck) = show(&args, &terminal, &folder, &socket, &registry, &mut ending).await;
    let cleaned = struck.and(registry.end().await);
    if cleaned.is_ok() {
        terminal.done("containers, networks, volumes and images of the demo are gone", None);
    }
    told.and(cleaned)
}

/// Tells the story on a stage that is set for it, and strikes the stage; how each of the two ended.
async fn show(
    args: &DemoArgs,
    terminal: &Terminal,
    folder: &Path,
    socket: &Path,
    registry: &Registry,
    ending: &mut Ending,
) -> (Result<(), DemoError>, Result<(), DemoError>) {
    let stage = match Stage::set(args, folder, socket, registry).await {
        Ok(stage) => stage,
        Err(error) => return (Err(error), Ok(())),
    };
    stage.introduce(terminal);
    let outcome = tokio::select! {
        told = stage.perform(terminal) => told,
        () = ending.asked_for() => Err(DemoError::Interrupted),
    };
    if outcome.is_ok() && !args.once {
        terminal.chapter(&format!("The dashboard stays at {} until Ctrl-C", stage.app.state().public_url));
        ending.asked_for().await;
    }
    terminal.chapter("Cleaning up");
    (outcome, stage.strike().await)
}

/// Ctrl-C and SIGTERM. From the moment that it listens, neither ends the process by itself, and none is missed.
struct Ending {
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    fn listen() -> io::Result<Self> {
        Ok(Ending { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves when the demo is asked to end.
    async fn asked_for(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The parts and the server, all running.
struct Stage<'a> {
    registry: &'a Registry,
    git: Part,
    _edge: Part,
    _switch: Part,
    site: SocketAddr,
    repositories: PathBuf,
    app: App,
    token: Secret,
}

impl<'a> Stage<'a> {
    /// The socket lies elsewhere, because its path must be short.
    async fn set(args: &DemoArgs, folder: &Path, socket: &Path, registry: &'a Registry) -> Result<Self, DemoError> {
        let repositories = folder.join("git");
        std::fs::create_dir_all(&repositories)?;
        let (git, edge, switch) = tokio::try_join!(
            parts::git_server(&repositories),
            parts::caddy(folder, "edge"),
            parts::caddy(folder, "switch"),
        )?;
        let site = parts::free_address()?;
        let mut config = Config::without_file(Overrides {
            listen: Some(args.listen),
            data_dir: Some(folder.join("data")),
            public_read: Some(true),
            proxy_caddy_admin: Some(format!("http://{}", edge.address)),
            proxy_switch_admin: Some(format!("http://{}", switch.address)),
            proxy_switch_socket: Some(format!("unix/{}", socket.display())),
            proxy_listen: vec![site.to_string()],
            ..Overrides::default()
        })?;
        // It is not started again, and leaves nothing on the engine.
        config.runner.at_shutdown = AtShutdown::HandBack;
        let app = App::start(config).await?;
        let FirstToken::Made(token) = app.first_token().clone() else { return Err(DemoError::UsedFolder) };
        Ok(Stage { registry, git, _edge: edge, _switch: switch, site, repositories, app, token })
    }

    fn introduce(&self, terminal: &Terminal) {
        terminal.fact(&format!("dashboard   {}", self.app.state().public_url));
        terminal.fact(&format!("token       {}  (shown once, to log in with)", self.token.reveal()));
        terminal.fact(&format!("releases    http://{}  by host name, through Caddy", self.site));
        terminal.fact(&format!("registry    {}", self.registry.address()));
        terminal.fact(&format!("            as {}", self.registry.described()));
        terminal.fact(&format!("repository  git://{}/shop/web.git, made from examples/shop", self.git.address));
    }

    /// Tells the story and sums it up.
    async fn perform(&self, terminal: &Terminal) -> Result<(), DemoError> {
        let http = reqwest::Client::new();
        let client = Client::new(http.clone(), self.app.state().public_url.clone(), self.token.clone());
        let hook = client.connect(&format!("git://{}/shop/web.git", self.git.address)).await?;
        let sample = Sample::create(&self.repositories.join("shop/web.git"), &self.registry.address().to_string())?;
        let site = format!("http://{}", self.site);
        let mut story =
            Story { terminal, client: &client, http: &http, site: &site, hook, sample, summary: Vec::new() };
        story.tell().await?;
        terminal.chapter("Summary");
        for line in &story.summary {
            terminal.fact(line);
        }
        for host in [story::DEV, story::PRODUCTION] {
            terminal.fact(&format!("http://{host}:{}", self.site.port()));
        }
        Ok(())
    }

    /// Stops the server and takes everything of the demo's off the engine.
    async fn strike(self) -> Result<(), DemoError> {
        let runner = self.app.runner().map(str::to_owned);
        let registry = self.registry.address().to_string();
        self.app.stop().await;
        if let Some(runner) = runner {
            Engine::connect(None).await?.purge(&runner, &[&registry]).await?;
        }
        Ok(())
    }
}
