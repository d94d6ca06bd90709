//! Beginning a program with variables that come by standard input or lie in a file, in place of this one.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufReader, ErrorKind},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::told;

/// The exit codes of `docker run`: <https://docs.docker.com/reference/cli/docker/container/run/#exit-status>
pub(crate) const NOT_BEGUN: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

type Variables = Vec<(OsString, OsString)>;

/// Waits for the variables and becomes the program. Returns only where that cannot be: with the exit code that says so.
pub(crate) fn begin(words: impl Iterator<Item = OsString>) -> u8 {
    become_told(words, || told::variables(io::stdin().lock()), |command| command.stdin(Stdio::null()))
}

/// The same with variables from the file that the first word names. What stands at the input is the program's.
pub(crate) fn begin_from(mut words: impl Iterator<Item = OsString>) -> u8 {
    let file = words.next().unwrap_or_default();
    become_told(words, || told::variables(BufReader::new(File::open(&file)?)), |command| command)
}

fn become_told(
    mut words: impl Iterator<Item = OsString>,
    told: impl FnOnce() -> io::Result<Option<Variables>>,
    input: impl FnOnce(&mut Command) -> &mut Command,
) -> u8 {
    let Some(program) = words.next() else {
        eprintln!("slipway: there is nothing to begin");
        return NOT_BEGUN;
    };
    let variables = match told() {
        Ok(Some(variables)) => variables,
        Ok(None) => {
            eprintln!("slipway: the runner did not tell the secrets of this container");
            return NOT_BEGUN;
        }
        Err(error) => {
            eprintln!("slipway: the secrets of this container cannot be read: {error}");
            return NOT_BEGUN;
        }
    };
    let told = variables.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = told.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let found = match find(&program, &path) {
        Ok(found) => found,
        Err(code) => {
            eprintln!("slipway: {}: {}", program.display(), meaning(code));
            return code;
        }
    };
    let mut command = Command::new(found);
    let error = input(command.arg0(&program).args(words).envs(variables)).exec();
    eprintln!("slipway: {}: {error}", program.display());
    if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

fn meaning(code: u8) -> &'static str {
    if code == NOT_FOUND { "executable file not found in $PATH" } else { "permission denied" }
}

/// The file of a program, as engines look for it: a name without a slash in the folders of `PATH`.
fn find(program: &OsStr, path: &OsStr) -> Result<PathBuf, u8> {
    if program.as_bytes().contains(&b'/') {
        return executable(Path::new(program)).map(|()| program.into());
    }
    let folders =
        std::env::split_paths(path).map(|folder| if folder.as_os_str().is_empty() { ".".into() } else { folder });
    let found = folders.map(|folder: PathBuf| folder.join(program)).find(|file| executable(file).is_ok());
    found.ok_or(NOT_FOUND)
}

fn executable(file: &Path) -> Result<(), u8> {
    let found = file.metadata().map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => NOT_EXECUTABLE,
        _ => NOT_FOUND,
    })?;
    if found.is_file() && found.permissions().mode() & 0o111 != 0 { Ok(()) } else { Err(NOT_EXECUTABLE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_as_engines_do_it() {
        let find = |program: &str, path: &str| find(program.as_ref(), path.as_ref());
        assert_eq!(find("sh", "/nonexistent:/bin"), Ok("/bin/sh".into()));
        assert_eq!(find("/bin/sh", ""), Ok("/bin/sh".into()));
        assert_eq!(find("nonexistent", "/bin"), Err(NOT_FOUND));
        assert_eq!(find("/nonexistent/sh", "/bin"), Err(NOT_FOUND));
        assert_eq!(find("passwd", "/etc"), Err(NOT_FOUND), "what nobody may execute is not found");
        assert_eq!(find("/etc/passwd", ""), Err(NOT_EXECUTABLE));
        assert_eq!(find("/etc", ""), Err(NOT_EXECUTABLE));
    }
}
