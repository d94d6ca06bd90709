//! What GitHub is shown, on both databases: builds as commit statuses, releases as deployments, whatever fails on the way.

mod app;
mod deployments;
mod fetching;
mod proposals;
mod refusals;
mod scene;
mod statuses;
mod steps;
mod story;
