//! The processes of a test's parts: holding them still, and finding those that should be gone.

use std::process::{Child, Command};

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
