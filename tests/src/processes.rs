//! The processes of a test's parts: holding them still, and finding those that should be gone.

use std::{
    path::Path,
    process::{Child, Command},
};

/// Sends a signal, such as `STOP`, to a running process.
///
/// # Panics
/// When it does not run.
pub fn signal(process: Option<&Child>, name: &str) {
    let id = process.expect("a running process").id().to_string();
    let sent = Command::new("kill").arg(format!("-{name}")).arg(&id).status().expect("the command kill");
    assert!(sent.success(), "SIG{name} was not sent to {id}");
}

/// Runs a command to its end.
///
/// # Panics
/// When it fails.
pub fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The processes whose command line has this text in it.
#[must_use]
pub fn with_text(text: &str) -> Vec<u32> {
    let is_meant = |id: &u32| {
        std::fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
    };
    all().filter(is_meant).collect()
}

/// The processes whose root is a file system that lies in this folder, as in a container.
#[must_use]
pub fn rooted_in(folder: &Path) -> Vec<u32> {
    let folder = folder.display().to_string();
    // <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>: the fifth field is where it is mounted.
    let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    let is_meant = |id: &u32| {
        let mounts = std::fs::read_to_string(format!("/proc/{id}/mountinfo")).unwrap_or_default();
        mounts.lines().find(is_root).is_some_and(|root| root.contains(&folder))
    };
    all().filter(is_meant).collect()
}

/// Kills processes. That they are gone already is fine.
pub fn end(ids: &[u32]) {
    for id in ids {
        drop(Command::new("kill").args(["-KILL", &id.to_string()]).output());
    }
}

fn all() -> impl Iterator<Item = u32> {
    let found = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    found.filter_map(|process| process.file_name().to_str()?.parse().ok())
}

/// The shells that run a command of a Dockerfile with this text in it, wherever their container is.
#[must_use]
pub fn dockerfile_commands(text: &str) -> Vec<String> {
    let found = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = found.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.starts_with("/bin/sh -c") && line.contains(text))
        .collect()
}
