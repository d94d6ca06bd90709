//! The demo where the registry's program is not installed: a container takes its place, and leaves nothing behind.

use std::time::Duration;

use slipway_tests::{
    engine::{Sweep, docker},
    registry_image::{RegistryImage, locate, push_and_pull},
    slipway::Setup,
    wait::until,
};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Play, demo, demo_at, left_of, parts_are_gone, registry_of};

/// A folder for the search path, with all that the demo starts but docker-registry.
fn programs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for program in ["git", "caddy", "setpriv"] {
        std::os::unix::fs::symlink(locate(program), folder.path().join(program)).unwrap();
    }
    folder
}

fn demo_without_program(setup: &Setup, programs: &TempDir, image: &str) -> Command {
    without_program(demo(setup, &["--registry-image", image]), programs)
}

fn without_program(mut command: Command, programs: &TempDir) -> Command {
    command.env("PATH", programs.path());
    command
}

/// The registries' containers of one demo.
fn containers(setup: &Setup) -> Vec<String> {
    let format = "{{.Names}} {{.Label \"slipway.lock\"}}";
    let mut listed = docker(&["ps", "-a", "--filter", "label=slipway=helper", "--format", format]);
    let folder = setup.data_dir().display().to_string();
    listed.retain(|line| line.contains(&folder));
    listed.into_iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

/// The volumes of a container.
fn volumes(container: &str) -> Vec<String> {
    docker(&["inspect", "--format", "{{range .Mounts}}{{println .Name}}{{end}}", container])
        .into_iter()
        .filter(|name| !name.is_empty())
        .collect()
}

fn volume_is_gone(name: &str) -> bool {
    !docker(&["volume", "ls", "-q"]).iter().any(|listed| listed == name)
}

#[tokio::test]
async fn a_container_is_the_registry_where_the_program_is_not_installed() {
    let (setup, programs, image) = (Setup::new(), programs(), RegistryImage::make());
    let mut play = Play::start(&mut demo_without_program(&setup, &programs, image.name()));
    play.until("as the container").await;
    let registry = registry_of(&play.told).to_owned();
    push_and_pull(&format!("{registry}/only/here:1"));
    let found = containers(&setup);
    let [container] = &found[..] else { panic!("one container: {found:?}") };
    let volumes = volumes(container);
    assert_eq!(volumes.len(), 1, "its data has a volume of its own");

    // The demo pushes to it, and releases what it has confirmed.
    play.until("dev.shop.localhost answers").await;
    play.ask_to_end().await;
    assert_eq!(containers(&setup), Vec::<String>::new());
    assert!(volume_is_gone(&volumes[0]));
    assert_eq!(left_of(&registry), Vec::<String>::new());
    parts_are_gone(&setup).await;
}

/// Removes what a killed demo's runner may have begun.
fn sweep(setup: &Setup) -> Option<Sweep> {
    let runner = std::fs::read_to_string(setup.data_dir().join("data/runner/id")).ok()?;
    Some(Sweep { runner, repository: "none of its images".to_owned() })
}

#[tokio::test]
async fn the_next_demo_removes_the_container_of_one_that_was_killed() {
    let (killed, next, programs, image) = (Setup::new(), Setup::new(), programs(), RegistryImage::make());
    let play = Play::start(&mut demo_without_program(&killed, &programs, image.name()));
    until("the registry's container", Duration::from_secs(60), async || containers(&killed).pop()).await;
    play.kill().await;
    let _sweep = sweep(&killed);

    let mut play = Play::start(&mut demo_without_program(&next, &programs, image.name()));
    play.until("as the container").await;
    assert_eq!(containers(&killed), Vec::<String>::new());
    assert_eq!(containers(&next).len(), 1);
    play.ask_to_end().await;
    assert_eq!(containers(&next), Vec::<String>::new());
}

#[tokio::test]
async fn without_a_program_and_an_image_both_remedies_are_named() {
    let (setup, programs) = (Setup::new(), programs());
    // Nobody listens on port 1.
    let output = demo_without_program(&setup, &programs, "127.0.0.1:1/registry:2").output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("apt-get install docker-registry"), "{said}");
    assert!(said.contains("docker pull 127.0.0.1:1/registry:2"), "{said}");
    assert!(said.contains("could not pull the image 127.0.0.1:1/registry:2"), "{said}");
}

#[tokio::test]
async fn an_image_that_is_no_registry_is_told_with_its_last_words_and_removed() {
    let (setup, programs) = (Setup::new(), programs());
    let output = demo_without_program(&setup, &programs, "busybox:latest").output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(": it ended with exit code 0: it wrote nothing"), "{said}");
    assert_eq!(containers(&setup), Vec::<String>::new());
}

#[tokio::test]
async fn the_container_goes_too_when_the_stage_cannot_be_set() {
    let (setup, programs, image) = (Setup::new(), programs(), RegistryImage::make());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let command = demo_at(&taken.local_addr().unwrap().to_string(), &setup, &["--registry-image", image.name()]);
    let output = without_program(command, &programs).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use"), "{said}");
    assert_eq!(containers(&setup), Vec::<String>::new());
}
