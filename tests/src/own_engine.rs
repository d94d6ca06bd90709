//! A Docker engine of a test's own, beside the machine's, which can be ended and started again.
//!
//! It lives in a network namespace of its own: another one beside the machine's would take that one's bridge away.

use std::{
    fs::File,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{processes, wait::until};

/// How long an engine may take to start.
const PATIENCE: Duration = Duration::from_secs(90);

/// An engine with the image `busybox:latest`; gone with all that it had when it is dropped.
#[derive(Debug)]
pub struct OwnEngine {
    folder: TempDir,
    /// Keeps the namespace while the engine is away.
    holder: Child,
    process: Option<Child>,
    relays: Vec<JoinHandle<()>>,
}

impl OwnEngine {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let holder = Command::new("unshare").args(["--net", "sleep", "infinity"]).stdin(Stdio::null()).spawn();
        let mut engine = OwnEngine {
            folder: TempDir::new().expect("a temporary directory"),
            holder: holder.expect("unshare is installed (Debian: apt-get install util-linux), and this is root"),
            process: None,
            relays: Vec::new(),
        };
        let network = |path: &str| std::fs::read_link(path).ok();
        until("a network namespace", PATIENCE, async || {
            (network(&engine.namespace()) != network("/proc/self/ns/net")).then_some(())
        })
        .await;
        engine.within("busybox", &["ifconfig", "lo", "up"]);
        engine.resume().await;
        let copy = format!("docker save busybox:latest | docker -H {} load", engine.host());
        processes::run("sh", &["-c", &copy]);
        engine
    }

    /// Its address.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Lets the engine reach what listens on this port of 127.0.0.1, under the same address.
    ///
    /// # Panics
    /// When the port cannot be had.
    pub fn reach(&mut self, port: u16) {
        let namespace = File::open(self.namespace()).expect("the namespace");
        // A socket stays in the namespace that it was made in; only this thread goes there.
        let bound = std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            std::net::TcpListener::bind(("127.0.0.1", port))
        });
        let listener = bound.join().expect("a thread").expect("the port within the namespace");
        listener.set_nonblocking(true).expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        self.relays.push(tokio::spawn(async move {
            while let Ok((mut here, _)) = listener.accept().await {
                tokio::spawn(async move {
                    if let Ok(mut there) = TcpStream::connect(("127.0.0.1", port)).await {
                        drop(tokio::io::copy_bidirectional(&mut here, &mut there).await);
                    }
                });
            }
        }));
    }

    /// Starts it again after [`OwnEngine::stop`] or [`OwnEngine::kill`], with what it had.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn resume(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("log")).expect("its log");
        let text = |name: &str| self.path(name).display().to_string();
        // Where nobody takes note of the end of orphans, those of an engine that was killed seem to go on.
        for pid in ["pid", "exec/containerd/containerd.pid"] {
            drop(std::fs::remove_file(self.path(pid)));
        }
        let process = Command::new("nsenter")
            .arg(format!("--net={}", self.namespace()))
            .args(["dockerd", "--data-root", &text("data"), "--exec-root", &text("exec"), "--pidfile", &text("pid")])
            .args(["-H", &self.host(), "--iptables=false", "--ip-masq=false", "--shutdown-timeout", "1"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle on the log"))
            .stderr(log)
            .spawn()
            .expect("dockerd is installed (Debian: apt-get install docker.io)");
        self.process = Some(process);
        until("the engine to answer", PATIENCE, async || self.asked(&["version"])).await;
    }

    /// Ends it as a service manager does: it stops its containers. What it leaves running are commands of Dockerfiles,
    /// which nobody would find again; they are ended, too.
    pub fn stop(&mut self) {
        self.end("TERM");
        processes::end(&processes::rooted_in(self.folder.path()));
    }

    /// Ends it by `kill -9`. Its containers go on until it starts again, which stops them.
    pub fn kill(&mut self) {
        self.end("KILL");
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut process) = self.process.take() {
            processes::signal(Some(&process), signal);
            drop(process.wait());
        }
    }

    /// Asks it by the docker client, and returns the lines of its answer.
    ///
    /// # Panics
    /// When it does not do it.
    #[must_use]
    pub fn docker(&self, arguments: &[&str]) -> Vec<String> {
        self.asked(arguments).unwrap_or_else(|| panic!("the engine refuses: {arguments:?}"))
    }

    fn asked(&self, arguments: &[&str]) -> Option<Vec<String>> {
        let output = Command::new("docker").args(["-H", &self.host()]).args(arguments).output().ok()?;
        let lines = || String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        output.status.success().then(lines)
    }

    /// The process that holds its network namespace.
    pub(crate) fn holder(&self) -> u32 {
        self.holder.id()
    }

    /// Runs a command in its network namespace.
    ///
    /// # Panics
    /// When the command fails.
    pub fn within(&self, program: &str, arguments: &[&str]) {
        let namespace = format!("--net={}", self.namespace());
        processes::run("nsenter", &[&[namespace.as_str(), program], arguments].concat());
    }

    fn namespace(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        for relay in &self.relays {
            relay.abort();
        }
        self.stop();
        // What one leaves that was killed: the shims of its containers, and what is mounted below its folder.
        processes::end(&processes::with_text(&self.folder.path().display().to_string()));
        drop(self.holder.kill());
        drop(self.holder.wait());
        for mount in mounts_below(self.folder.path()) {
            drop(Command::new("umount").args(["-l", &mount]).output());
        }
    }
}

/// What an engine mounts for itself, the innermost first.
fn mounts_below(folder: &Path) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let mut found: Vec<_> = places.filter(|place| Path::new(place).starts_with(folder)).map(str::to_owned).collect();
    found.reverse();
    found
}
