//! A real image registry (distribution's `docker-registry`) of the test's own, which can be stopped and started again.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use slipway_runner::coordinator::RegistryCredential;
use tempfile::TempDir;

use crate::{ports, processes};

/// The user of a registry that asks for a login.
pub const USERNAME: &str = "captain";
/// The password of [`USERNAME`].
pub const PASSWORD: &str = "slipway-test";
/// The password that it may be changed to.
pub const ANOTHER_PASSWORD: &str = "slipway-rotated";
/// bcrypt of both at the lowest cost, made once with `crypt(3)`.
const PASSWORD_HASH: &str = "$2b$04$7.cWo8iAFEEcX7QIDQs9HuLTFwsz3CBpCgr1HRmcIErC1rK7bTwka";
const ANOTHER_HASH: &str = "$2b$04$7.cWo8iAFEEcX7QIDQs9Hu1182kqayLUHNKJmpHNNop070FZxiSSm";

/// A login as docker's `config.json` has it.
#[must_use]
pub fn basic(login: &RegistryCredential) -> String {
    BASE64.encode(format!("{}:{}", login.username, login.password))
}

/// A running registry on 127.0.0.1 with its storage in a temporary directory; gone when dropped.
pub struct RegistryFixture {
    directory: TempDir,
    port: u16,
    /// The hash of the password that it asks for; none where it asks for none.
    asks: Option<&'static str>,
    process: Option<Child>,
}

impl RegistryFixture {
    /// Starts a registry that anyone on this machine may read and write.
    pub async fn open() -> Self {
        Self::launch(None).await
    }

    /// Starts a registry that asks for [`USERNAME`] and [`PASSWORD`].
    pub async fn protected() -> Self {
        Self::launch(Some(PASSWORD_HASH)).await
    }

    async fn launch(asks: Option<&'static str>) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mut fixture = RegistryFixture { directory, port: ports::free(), asks, process: None };
        fixture.start().await;
        fixture
    }

    /// The host and port as they stand in image names.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port of 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The name of an image in this registry, without a tag.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// What a runner is given to log in here; empty for an open registry.
    #[must_use]
    pub fn credentials(&self) -> Vec<RegistryCredential> {
        self.asks.map(|_| self.credential(PASSWORD)).into_iter().collect()
    }

    /// A login with another password.
    #[must_use]
    pub fn credential(&self, password: &str) -> RegistryCredential {
        RegistryCredential { host: self.host(), username: USERNAME.into(), password: password.into() }
    }

    /// Asks for [`ANOTHER_PASSWORD`] from now on.
    pub async fn change_password(&mut self) {
        self.asks = Some(ANOTHER_HASH);
        self.stop();
        self.start().await;
    }

    /// Starts the registry again on the same port with the same storage.
    pub async fn start(&mut self) {
        let config = self.write_config();
        let log = std::fs::File::create(self.directory.path().join("log")).expect("the registry's log file");
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(config)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle on the log"))
            .stderr(log)
            .spawn()
            .expect("docker-registry is installed (Debian: apt-get install docker-registry)");
        self.process = Some(child);
        ports::wait_until_open(self.port, Duration::from_secs(20)).await;
    }

    /// Ends the registry's process; its storage stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Holds the registry's process still: whoever asks it waits, until [`RegistryFixture::go_on`].
    pub fn hold(&self) {
        processes::signal(self.process.as_ref(), "STOP");
    }

    /// Lets the process go on after [`RegistryFixture::hold`].
    pub fn go_on(&self) {
        processes::signal(self.process.as_ref(), "CONT");
    }

    fn write_config(&self) -> PathBuf {
        let storage = self.directory.path().join("storage");
        let users = self.directory.path().join("users");
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage:\n  delete: {{enabled: true}}\n  filesystem: \
             {{rootdirectory: {}}}\nhttp: {{addr: \"127.0.0.1:{}\"}}\n",
            storage.display(),
            self.port
        );
        if let Some(hash) = self.asks {
            std::fs::write(&users, format!("{USERNAME}:{hash}\n")).expect("the registry's users are written");
            config.push_str(&format!("auth:\n  htpasswd: {{realm: slipway-tests, path: {}}}\n", users.display()));
        }
        let path = self.directory.path().join("config.yml");
        std::fs::write(&path, config).expect("the registry's configuration is written");
        path
    }
}

impl Drop for RegistryFixture {
    fn drop(&mut self) {
        self.stop();
    }
}
