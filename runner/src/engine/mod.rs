//! The Docker engine that a runner works with: how it is reached, what it is asked, and how its answers read.

mod connect;
mod disk;
mod health;
mod helper;
pub mod labels;
mod line;
mod network;
mod pull;
mod purge;
pub(crate) mod scoped_socket;

pub use connect::{DEFAULT_SOCKET, Engine, EngineError};
pub(crate) use disk::{build_cache, prune_build_cache, volume_sizes};
pub(crate) use health::{health_command, nanoseconds};
pub use helper::Helper;
pub(crate) use line::Line;
