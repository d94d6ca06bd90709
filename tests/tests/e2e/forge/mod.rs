//! What GitHub is shown, on both databases: builds as commit statuses, whatever fails on the way.

mod app;
mod refusals;
mod scene;
mod statuses;
mod story;
