//! The commands that work on a working tree as captain's do: `slipway build`, `test`, `push`, `pull`, `purge`.

mod build;
mod debug;
mod flags;
mod interrupt;
pub(in crate::cli) mod logins;
mod naming;
mod pull;
mod purge;
mod secrets;
mod skip;

pub(super) use build::{Build, Push, Test};
pub(super) use flags::Common;
pub(super) use pull::Pull;
pub(super) use purge::Purge;
use slipway_runner::engine::Engine;

use super::{Failure, environment};

/// The engine that `DOCKER_HOST` names, or the usual one.
async fn engine() -> Result<Engine, Failure> {
    let host = environment::variable("DOCKER_HOST");
    let known = ["unix://", "tcp://", "http://"];
    if let Some(host) = host.as_deref().filter(|host| !known.iter().any(|scheme| host.starts_with(scheme))) {
        return Err(Failure::new(format!(
            "DOCKER_HOST is {host}: only unix:// and tcp:// addresses are understood; for an engine on another machine, \
             forward its socket, such as with ssh -L"
        )));
    }
    Ok(Engine::connect(host.as_deref()).await?)
}
