//! What starts a build besides a push to a branch.

mod forks;
mod grants;
mod late;
mod merges;
mod pull_requests;
mod refs;
mod requests;
mod schedules;
mod tags;
