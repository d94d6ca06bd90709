//! An image with a real docker client in it, made of the one on this machine.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::engine::docker;

/// Debian's docker-compose, and what it runs on.
const COMPOSE: [&str; 5] = [
    "/usr/bin/docker-compose",
    "/usr/bin/python3",
    "/usr/bin/python3.11",
    "/usr/lib/python3.11",
    "/usr/lib/python3/dist-packages",
];

/// The image, removed when this is dropped.
#[derive(Debug)]
pub struct DockerCli {
    name: String,
}

impl DockerCli {
    /// Builds the image: busybox with the machine's docker client, and the libraries that the client is linked with.
    ///
    /// # Panics
    /// When there is no docker client, or the engine does not build the image.
    #[must_use]
    pub fn build() -> Self {
        Self::of(&[])
    }

    /// Builds the image with docker-compose in it, too, and the Python that it runs on.
    ///
    /// # Panics
    /// When there is no docker-compose of Debian's, or the engine does not build the image.
    #[must_use]
    pub fn with_compose() -> Self {
        Self::of(&COMPOSE)
    }

    fn of(parts: &[&str]) -> Self {
        let id = ulid::Ulid::generate().to_string().to_lowercase();
        let name = format!("docker-cli-test-{id}:latest");
        let folder = TempDir::new().expect("a temporary directory");
        let client = found("docker").expect("a docker client on the PATH");
        let mut programs: Vec<_> = parts.iter().flat_map(|part| loadable(Path::new(part))).collect();
        programs.push(client.clone());
        let libraries: BTreeSet<_> = programs.iter().flat_map(|program| libraries(program)).collect();
        let packed = folder.path().join("parts.tar");
        pack(&packed, &["--create"], parts.iter().map(Path::new));
        pack(&packed, &["--append", "--dereference"], libraries.iter().map(PathBuf::as_path));
        std::fs::copy(client, folder.path().join("docker")).expect("the client is readable");
        let dockerfile = format!(
            "FROM busybox:latest\nLABEL slipway.test={id}\nENV PATH=/bin:/usr/bin\nADD parts.tar /\nCOPY docker /bin/docker\n"
        );
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).expect("the context is written");
        let _ = docker(&["build", "--quiet", "--tag", &name, &folder.path().display().to_string()]);
        DockerCli { name }
    }

    /// The image's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for DockerCli {
    fn drop(&mut self) {
        // What cannot be removed now is only an image of a test's.
        let _ = Command::new("docker").args(["rmi", "--force", &self.name]).output();
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Puts files and folders into an archive, below its root.
fn pack<'a>(archive: &Path, how: &[&str], files: impl Iterator<Item = &'a Path>) {
    let below_root = files.map(|file| file.strip_prefix("/").expect("an absolute path"));
    let mut tar = Command::new("tar");
    tar.args(how).arg("--file").arg(archive).args(["--directory", "/", "--files-from", "/dev/null"]).args(below_root);
    let done = tar.status().expect("tar is installed");
    assert!(done.success(), "{tar:?} packs what is in the image; is docker-compose installed (scripts/setup test)?");
}

/// The programs and the extensions of programs in a file or a folder.
fn loadable(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else { return vec![path.to_owned()] };
    let below = entries.flatten().map(|entry| entry.path());
    below
        .filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "so"))
        .flat_map(|path| loadable(&path))
        .collect()
}

/// The files that ldd names; none for a program that is linked statically.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let Ok(told) = Command::new("ldd").arg(program).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
