//! What steps made on the engine, and whether it is gone.

use std::process::Command;

use slipway_tests::{build_house::BuildHouse, engine::docker};

/// What a runner's builds made through their sockets and is still there, in words.
pub(super) fn of(house: &BuildHouse) -> Vec<String> {
    let runner = format!("label=slipway.runner={}", house.config.id);
    let containers = docker(&["ps", "-a", "--format", "container {{.Names}}", "--filter", &runner]);
    let networks = docker(&["network", "ls", "--format", "network {{.Name}}", "--filter", &runner]);
    let volumes = docker(&["volume", "ls", "--format", "volume {{.Name}}", "--filter", &runner]);
    let mark = format!("{}.", &house.config.id[house.config.id.len() - 10..]);
    let images = docker(&["images", "-a", "-q", "--no-trunc", "--filter", "label=slipway.socket"]);
    let ours = |id: &String| {
        let format = "{{index .Config.Labels \"slipway.socket\"}} {{.RepoTags}}{{.RepoDigests}}";
        // An image of another test may be gone by now.
        let told = Command::new("docker").args(["inspect", "--format", format, id]).output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        told.starts_with(&mark).then(|| format!("image {told}"))
    };
    [containers, networks, volumes, images.iter().filter_map(ours).collect()].concat()
}

/// The names of a runner's containers that end so.
pub(super) fn containers(house: &BuildHouse, end: &str) -> Vec<String> {
    let runner = format!("label=slipway.runner={}", house.config.id);
    let names = docker(&["ps", "--format", "{{.Names}}", "--filter", &runner]);
    names.into_iter().filter(|name| name.ends_with(end)).collect()
}
