//! The steps of an app: what runs, and under which conditions.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Matrix, Pairs, When};

/// One entry of `pre`, `post` or `test`, in whichever of its forms it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What people read; none means the command.
    pub name: Option<String>,
    /// What it runs.
    pub command: Command,
    /// Its variables over the app's; the values are templates.
    pub env: Pairs,
    /// Secrets that it finds in its environment, besides the app's.
    pub secrets: Vec<String>,
    /// Folders that outlive the build: relative ones are the workspace's, absolute ones the container's.
    pub cache: Vec<String>,
    /// Apps whose just-built images run as services first, reached by the apps' names.
    pub start: Vec<String>,
    /// When it runs.
    pub when: When,
    /// How long it may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The variables over whose combinations it is repeated.
    pub matrix: Matrix,
    /// Whether it gets a Docker engine of its own, bounded to the build.
    pub engine: bool,
}

impl Step {
    /// A step that is nothing but a command, as captain has it.
    #[must_use]
    pub fn of(command: Command) -> Self {
        Step {
            name: None,
            command,
            env: Vec::new(),
            secrets: Vec::new(),
            cache: Vec::new(),
            start: Vec::new(),
            when: When::default(),
            timeout_ms: None,
            matrix: Vec::new(),
            engine: false,
        }
    }
}

/// What a step runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Command {
    /// A text for the step image's shell, run in the workspace.
    Shell {
        /// The text, of one line or several.
        line: String,
        /// The image, where the step has its own; a template.
        image: Option<String>,
        /// Whether the first of several lines that fails is the end: so it is in a list of lines, and not in a text that
        /// its author gave to the shell as one.
        strict: bool,
    },
    /// A `docker run` line, parsed; it becomes a container of its own.
    Container {
        /// The line as written, for people.
        line: String,
        /// What it asks for.
        run: Box<ContainerRun>,
    },
    /// A step with an image of its own and no command: the image's own one.
    Image {
        /// The image; a template.
        image: String,
    },
}

/// What a `docker run` line asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerRun {
    /// The image as written.
    pub image: String,
    /// The command and its arguments; empty means the image's own.
    pub args: Vec<String>,
    /// Environment variables in order.
    pub env: Vec<(String, String)>,
    /// `--env-file` paths within the repository.
    pub env_files: Vec<String>,
    /// `-w`; none means the image's own.
    pub workdir: Option<String>,
    /// `-u`.
    pub user: Option<String>,
    /// `--entrypoint`.
    pub entrypoint: Option<String>,
    /// `--name`: the name under which other containers of the build reach it.
    pub name: Option<String>,
    /// `-v` mounts.
    pub mounts: Vec<Mount>,
    /// `--network-alias`: further names under which other containers of the build reach it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// `-h`; none means the engine's choice.
    #[serde(default)]
    pub hostname: Option<String>,
    /// `--add-host`: names and the addresses that they stand for in the container.
    #[serde(default)]
    pub hosts: Vec<(String, IpAddr)>,
    /// `--tmpfs` folders in memory.
    #[serde(default)]
    pub tmpfs: Vec<Tmpfs>,
    /// `--memory`, in bytes; the runner's own limit stays above it.
    #[serde(default)]
    pub memory: Option<u64>,
    /// `--cpus`, in billionths of one; the runner's own limit stays above it.
    #[serde(default)]
    pub nano_cpus: Option<u64>,
    /// `--shm-size`, in bytes; counts as memory of the container.
    #[serde(default)]
    pub shm_size: Option<u64>,
    /// `--read-only`: whether the container's own files cannot be written.
    #[serde(default)]
    pub read_only: bool,
    /// `--init`: whether a small init is the first process.
    #[serde(default)]
    pub init: bool,
}

/// A `--tmpfs` folder of a container step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Where; an absolute path in the container; a template.
    pub path: String,
    /// Its largest size in bytes; none means the engine's own limit.
    pub size: Option<u64>,
}

/// A `-v` mount of a container step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Where; an absolute path in the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// What a step may mount: its workspace or a cache volume, never a path of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum MountSource {
    /// A folder or file of the workspace; `.` is its root.
    Workspace {
        /// The path within the workspace, without `..`.
        path: String,
    },
    /// A cache volume of the repository, made on first use; `~/.m2` and a bare name are such.
    Cache {
        /// Its name, such as `~/.m2`.
        name: String,
    },
}
