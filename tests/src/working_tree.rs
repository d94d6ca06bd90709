//! A person's working tree with its own git history, in which the built binary is called.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::slipway::Setup;

/// How long a command may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A folder of its own, the images that are made in it, and a home. Dropped, all of it is removed.
#[derive(Debug)]
pub struct WorkingTree {
    setup: Setup,
    folder: TempDir,
    unique: String,
    variables: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl WorkingTree {
    /// A folder without git. `IMAGE` in a file's text stands for [`WorkingTree::image`]'s namespace.
    #[must_use]
    pub fn without_git(files: &[(&str, &str)]) -> Self {
        let tree = WorkingTree {
            setup: Setup::new(),
            folder: TempDir::new().expect("a temporary directory"),
            unique: format!("captain-{}", ulid::Ulid::generate().to_string().to_lowercase()),
            variables: Vec::new(),
        };
        std::fs::create_dir_all(tree.root()).expect("the tree's folder");
        std::fs::create_dir_all(tree.home()).expect("a home");
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// A repository whose branch `main` holds the files.
    #[must_use]
    pub fn with(files: &[(&str, &str)]) -> Self {
        let tree = Self::without_git(files);
        tree.git(&["init", "--quiet", "--initial-branch=main"]);
        // Labels and caches go by the repository's name: it is nobody else's.
        tree.git(&["remote", "add", "origin", &format!("https://git.invalid/shop/{}.git", tree.unique)]);
        tree.commit();
        tree
    }

    /// With an environment variable for every command.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The tree's folder, which is called `hello`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("hello")
    }

    /// The home of whoever calls the commands.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A name of an image that no other test has.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.unique)
    }

    /// The namespace of [`WorkingTree::image`].
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.unique
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the file's folder");
        std::fs::write(path, text.replace("IMAGE", &self.unique)).expect("the file is written");
    }

    /// Reads a file.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.root().join(path)).expect("the file is there")
    }

    /// Commits everything, and returns the commit's name.
    pub fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=a change"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Calls git, and returns what it says.
    ///
    /// # Panics
    /// When git refuses.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]).args(arguments);
        command.current_dir(self.root()).env("HOME", self.home()).env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().expect("git is installed");
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Calls slipway in the tree, without a terminal.
    pub async fn slipway(&self, arguments: &[&str]) -> Ended {
        self.slipway_in(".", arguments).await
    }

    /// Calls slipway in a folder of the tree.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn slipway_in(&self, folder: &str, arguments: &[&str]) -> Ended {
        let child = self.command(folder, arguments).spawn().expect("the binary slipway");
        let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        let output = output.expect("an end in time").expect("its output");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("an exit code");
        Ended { code, out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// A command that is not started yet.
    #[must_use]
    pub fn command(&self, folder: &str, arguments: &[&str]) -> tokio::process::Command {
        let mut command = self.setup.command();
        command.args(arguments).current_dir(self.root().join(folder));
        command.env("HOME", self.home()).env("USER", "Ada").env_remove("DOCKER_CONFIG").env_remove("NO_COLOR");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The tags that the engine has of an image, in alphabetical order.
    #[must_use]
    pub fn tags(&self, image: &str) -> Vec<String> {
        let mut tags = crate::engine::docker(&["images", "--format", "{{.Tag}}", image]);
        tags.sort_unstable();
        tags
    }
}

impl Ended {
    /// The same, once it is clear that it went well.
    ///
    /// # Panics
    /// When it did not.
    #[must_use]
    pub fn well(self) -> Self {
        self.with(0)
    }

    /// The same, once it is clear that it ended with a code.
    ///
    /// # Panics
    /// When it ended with another.
    #[must_use]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

impl Drop for WorkingTree {
    fn drop(&mut self) {
        let list = |filter: &str, format: &str| {
            let output = Command::new("docker").args(["images", "--filter", filter, "--format", format]).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        };
        // Images in a registry's name, too, and what lost its name.
        let mut found = list(&format!("reference=*{}*/*", self.unique), "{{.Repository}}:{{.Tag}}");
        found.push_str(&list(&format!("reference=*/*{}*/*", self.unique), "{{.Repository}}:{{.Tag}}"));
        found.push_str(&list(&format!("label=slipway.source=shop/{}", self.unique), "{{.ID}}"));
        let found: Vec<&str> = found.lines().collect();
        if !found.is_empty() {
            drop(Command::new("docker").args(["rmi", "--force"]).args(found).output());
        }
        let label = format!("label=slipway.repository=shop/{}", self.unique);
        let volumes = Command::new("docker").args(["volume", "ls", "-q", "--filter", &label]).output();
        for volume in
            volumes.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default().lines()
        {
            drop(Command::new("docker").args(["volume", "rm", "--force", volume]).output());
        }
    }
}
