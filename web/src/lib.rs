//! The dashboard as HTML: a view model for every page in, text out. Knows nothing of the database, Docker or git.
//!
//! Everything that comes from outside (branches, messages, logs) is escaped by askama. What writes markup itself is marked
//! with [`askama::filters::HtmlSafe`] and lives in [`parts`], [`badge`], [`chart`], [`measurements`] and [`ansi`]; no template uses the `safe` filter.

mod agent;
pub mod ansi;
pub mod assets;
pub mod badge;
pub mod chart;
pub mod container_log;
pub mod difference;
pub mod folds;
pub mod frame;
mod graph;
pub mod links;
pub mod logs;
pub mod matrix;
pub mod measurements;
pub mod pages;
pub mod parts;
pub mod state;
pub mod steps;
pub mod time;
pub mod timeline;
pub mod trial;

pub use askama::Template;
