//! From an engine's bytes to numbered lines.

mod buffer;
mod lines;
mod mask;

pub(crate) use buffer::LogBuffer;
pub use buffer::LogLimits;
pub(crate) use lines::LineSplitter;
pub use mask::{Masks, SHORTEST};
