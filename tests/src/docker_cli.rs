//! An image with a real docker client in it, made of the one on this machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::engine::docker;

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
        let id = ulid::Ulid::generate().to_string().to_lowercase();
        let name = format!("docker-cli-test-{id}:latest");
        let folder = TempDir::new().expect("a temporary directory");
        let client = found("docker").expect("a docker client on the PATH");
        let mut dockerfile = format!("FROM busybox:latest\nLABEL slipway.test={id}\n");
        let mut add = |path: &Path, target: &str| {
            let file = path.file_name().expect("a file").to_string_lossy().into_owned();
            std::fs::copy(path, folder.path().join(&file)).expect("the file is readable");
            dockerfile.push_str(&format!("COPY {file} {target}\n"));
        };
        add(&client, "/bin/docker");
        for library in libraries(&client) {
            add(&library, &library.display().to_string());
        }
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

/// The files that ldd names; none for a program that is linked statically.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let Ok(told) = Command::new("ldd").arg(program).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}
