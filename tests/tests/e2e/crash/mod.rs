//! `kill -9` of the whole product at every phase between a push and a running release, and a start after it: the build
//! is run again from its beginning, visibly, or ends as if nothing had happened; and nothing is left behind.

mod at_random;
mod gates;
mod in_each_phase;
mod late;
