//! The harness of the end-to-end tests: real parts, started and removed so that tests read like sentences.
#![allow(clippy::expect_used, clippy::panic, reason = "a harness that cannot do its part fails the test at once")]

pub mod api;
pub mod browser;
pub mod bucket;
pub mod build_house;
pub mod caddy;
pub mod clock;
pub mod crashes;
pub mod cutter;
pub mod databases;
pub mod dice;
pub mod docker_cli;
pub mod engine;
pub mod engine_events;
pub mod environments;
pub mod forge;
pub mod fuse;
pub mod git_server;
pub mod house;
pub mod http_line;
pub mod images;
pub mod load;
pub mod own_engine;
pub mod pipeline;
pub mod ports;
pub mod processes;
pub mod recorder;
pub mod registry;
pub mod registry_gate;
pub mod registry_image;
pub mod remote_runner;
pub mod server_model;
pub mod slipway;
pub mod small_disk;
pub mod wait;
pub mod working_tree;
