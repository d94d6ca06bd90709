//! `kill -9` of the whole product, of the server alone or of the runner alone, at every phase between a push and a running
//! release, or its end in order, and a start after it: the build goes on from where it was, in the same attempt, and
//! nothing is left behind.

mod at_random;
mod campaign;
mod found_wanting;
pub(crate) mod gates;
mod in_each_phase;
mod late;
mod one_of_two;
pub(crate) mod phases;
