//! An image of distribution's registry like the one that people pull, made from the program that this machine has.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;
use ulid::Ulid;

use crate::engine::docker;

/// What the configuration file of the published image says, as far as it matters here.
const CONFIG: &str =
    "version: 0.1\nstorage:\n  filesystem: {rootdirectory: /var/lib/registry}\nhttp: {addr: \":5000\"}\n";

/// The image, under a name of this test's own; gone when dropped.
#[derive(Debug)]
pub struct RegistryImage {
    name: String,
}

impl RegistryImage {
    /// Makes it: the program with the libraries that it loads, and nothing else.
    ///
    /// # Panics
    /// When the program is not installed, or the engine refuses.
    #[must_use]
    pub fn make() -> Self {
        let program = locate("docker-registry");
        let name = format!("slipway-tests-registry:{}", Ulid::generate().to_string().to_ascii_lowercase());
        let root = TempDir::new().expect("a temporary directory");
        for file in libraries(&program) {
            install(&file, &root.path().join(file.strip_prefix("/").expect("an absolute path")));
        }
        install(&program, &root.path().join("bin/registry"));
        let config = root.path().join("etc/docker/registry/config.yml");
        std::fs::create_dir_all(config.parent().expect("a folder")).expect("a folder for the configuration");
        std::fs::write(config, CONFIG).expect("the configuration is written");
        import(root.path(), &name, &[r#"CMD ["/bin/registry", "serve", "/etc/docker/registry/config.yml"]"#]);
        RegistryImage { name }
    }

    /// Its name, with the tag.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for RegistryImage {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rmi", "-f", &self.name]).output();
    }
}

/// Makes an image that nobody else has, under this name, pushes it, forgets it, and pulls it again.
///
/// # Panics
/// When one of these does not work.
pub fn push_and_pull(name: &str) {
    let root = TempDir::new().expect("a temporary directory");
    std::fs::write(root.path().join("only-here"), name).expect("a file for the image");
    import(root.path(), name, &[]);
    for arguments in [["push", name], ["rmi", name], ["pull", name], ["rmi", name]] {
        let _ = docker(&arguments);
    }
}

/// Where a program of this machine is.
///
/// # Panics
/// When it is not installed.
#[must_use]
pub fn locate(program: &str) -> PathBuf {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().expect("a shell");
    assert!(found.status.success(), "{program} is not installed");
    PathBuf::from(text(&found).trim())
}

/// The shared libraries of a program, the loader included.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().expect("the command ldd");
    let listing = text(&listed);
    let paths = listing.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    // A program that is linked statically has none, and ldd says so with a failure.
    if listed.status.success() { paths } else { Vec::new() }
}

fn install(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder in the image");
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

fn import(root: &Path, name: &str, changes: &[&str]) {
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(root)
        .args(["-c", "."])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command tar");
    let archive = tar.stdout.take().expect("a pipe");
    let changes = changes.iter().flat_map(|change| ["--change", change]);
    let imported =
        Command::new("docker").arg("import").args(changes).args(["-", name]).stdin(archive).output().expect("docker");
    assert!(tar.wait().expect("tar's end").success(), "the image's files cannot be read");
    assert!(imported.status.success(), "docker import: {}", String::from_utf8_lossy(&imported.stderr));
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
