//! The log on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts the log. Called once in a process.
pub(super) fn start(config: &Config) -> Result<(), super::Failure> {
    let filter = EnvFilter::builder().parse(&config.log_filter).map_err(|error| {
        super::Failure::new(format!("log_filter = \"{}\" cannot be used: {error}", config.log_filter))
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log {
        LogFormat::Human => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
