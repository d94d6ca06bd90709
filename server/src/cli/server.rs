//! `slipway server`.

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, logging, say};
use crate::{
    access::FirstToken,
    app::App,
    config::{Config, Overrides},
};

/// Runs until SIGTERM or Ctrl-C.
pub(super) async fn run(mut overrides: Overrides) -> Result<(), Failure> {
    overrides.take_secrets_from_environment();
    let config = Config::load(overrides)?;
    logging::start(&config)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let app = App::start(config).await?;
    greet(&app)?;
    let serving = app.ended();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = serving => {}
    }
    tracing::info!("shutting down; a second signal ends it at once");
    tokio::select! {
        () = app.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// How to come in all the same.
const LOST: &str = "Lost? `slipway token create NAME --role administrator --local` on this machine makes another.";

fn greet(app: &App) -> Result<(), Failure> {
    match app.first_token() {
        FirstToken::Made(token) => {
            say("The administrator's token, shown this once:")?;
            say(format_args!("  {}", token.reveal()))?;
            say("Keep it well: log in with it, and set it as SLIPWAY_TOKEN for the command line.")?;
            say(LOST)?;
        }
        FirstToken::Unused => {
            say("Nobody has used the administrator's token yet, which an earlier start has shown.")?;
            say(LOST)?;
        }
        FirstToken::Used => {}
    }
    let (version, url, address) = (env!("CARGO_PKG_VERSION"), app.state().url(""), app.address());
    say(format_args!("Slipway {version} is ready at {url} (listening on {address})"))?;
    Ok(())
}
