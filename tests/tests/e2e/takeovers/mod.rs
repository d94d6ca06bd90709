//! Trying the failed steps of a build again: what succeeded is taken over, and only where that is true.

mod queue;
mod whole;
