//! Real Caddys of the test's own, with nothing in their configurations but the addresses of their admin APIs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use slipway_runner::proxy::{Caddy, ProxyConfig, SwitchConfig};
use tempfile::TempDir;

use crate::{api::http_client, ports};

/// A running proxy, an edge with a switch behind it, with its files in a temporary directory; gone when dropped.
pub struct CaddyFixture {
    directory: TempDir,
    address: Ipv4Addr,
    /// The first is for HTTP.
    ports: Vec<u16>,
    edge: Process,
    switch: Option<Process>,
}

impl CaddyFixture {
    /// Starts both and waits for their admin APIs.
    pub async fn launch() -> Self {
        Self::with(Ipv4Addr::LOCALHOST, vec![ports::free()], Process::new(), Some(Process::new())).await
    }

    /// Starts both for HTTPS, on the usual ports of a loopback address of their own; `apps` is what the edge's file
    /// says besides the address of its admin API.
    pub async fn launch_encrypted(apps: Value) -> Self {
        let edge = Process::with(apps);
        Self::with(ports::own_loopback(), vec![80, 443], edge, Some(Process::new())).await
    }

    /// Starts one alone that also does what `apps` says, at other addresses.
    pub async fn launch_with(apps: Value) -> Self {
        Self::with(Ipv4Addr::LOCALHOST, vec![ports::free()], Process::with(apps), None).await
    }

    /// Starts one alone.
    pub async fn launch_without_switch() -> Self {
        Self::with(Ipv4Addr::LOCALHOST, vec![ports::free()], Process::new(), None).await
    }

    async fn with(address: Ipv4Addr, ports: Vec<u16>, edge: Process, switch: Option<Process>) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let mut fixture = CaddyFixture { directory, address, ports, edge, switch };
        fixture.start().await;
        fixture
    }

    /// Starts what does not run; of its routes it knows nothing any more.
    pub async fn start(&mut self) {
        self.edge.start(&self.directory.path().join("edge")).await;
        if let Some(switch) = &mut self.switch {
            switch.start(&self.directory.path().join("switch")).await;
        }
    }

    /// Ends both processes at once, as `kill -9` does.
    pub fn stop(&mut self) {
        self.edge.stop();
        self.stop_switch();
    }

    /// Ends the switch alone.
    pub fn stop_switch(&mut self) {
        if let Some(switch) = &mut self.switch {
            switch.stop();
        }
    }

    /// How a runner is told to use this proxy.
    #[must_use]
    pub fn config(&self) -> ProxyConfig {
        let switch = self.switch.as_ref().map(|switch| SwitchConfig {
            admin: switch.admin_url().parse().expect("an address"),
            socket: format!("unix/{}", self.directory.path().join("switch.sock").display()),
        });
        let admin = self.edge.admin_url().parse().expect("an address");
        let listen = self.ports.iter().map(|port| format!("{}:{port}", self.address)).collect();
        ProxyConfig { admin, listen, switch }
    }

    /// The variables by which a server is told to use this proxy.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let config = self.config();
        let mut variables = vec![
            ("SLIPWAY_PROXY_CADDY_ADMIN", self.edge.admin_url()),
            ("SLIPWAY_PROXY_LISTEN", config.listen.join(",")),
        ];
        if let (Some(process), Some(switch)) = (&self.switch, config.switch) {
            variables.push(("SLIPWAY_PROXY_SWITCH_ADMIN", process.admin_url()));
            variables.push(("SLIPWAY_PROXY_SWITCH_SOCKET", switch.socket));
        }
        variables
    }

    /// A client of this proxy.
    #[must_use]
    pub fn client(&self) -> Caddy {
        Caddy::new(self.config())
    }

    /// The address of the edge's admin API.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.edge.admin_url()
    }

    /// The names of the servers that know the containers.
    ///
    /// # Panics
    /// When the proxy does not answer.
    pub async fn servers(&self) -> Vec<String> {
        let admin = self.switch.as_ref().unwrap_or(&self.edge).admin_url();
        let asked = http_client().get(format!("{admin}/config/apps/http/servers")).send().await;
        let told: Value = asked.expect("Caddy's answer").json().await.expect("JSON");
        told.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// Where released apps are asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.address, self.ports.first().expect("a port for HTTP"))
    }

    /// Where they are asked by HTTPS.
    #[must_use]
    pub fn https(&self) -> SocketAddr {
        (self.address, 443).into()
    }

    /// The certificate of the edge's own authority, in PEM.
    ///
    /// # Panics
    /// When it has none.
    pub async fn authority(&self) -> String {
        let asked = http_client().get(format!("{}/pki/ca/local", self.edge.admin_url())).send().await;
        let told: Value = asked.expect("the edge's answer").json().await.expect("JSON");
        told["root_certificate"].as_str().expect("a certificate").to_owned()
    }
}

/// One Caddy.
struct Process {
    admin: u16,
    apps: Value,
    child: Option<Child>,
}

impl Process {
    fn new() -> Self {
        Self::with(json!({}))
    }

    fn with(apps: Value) -> Self {
        Process { admin: ports::free(), apps, child: None }
    }

    fn admin_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin)
    }

    async fn start(&mut self, home: &Path) {
        if self.child.is_some() {
            return;
        }
        std::fs::create_dir_all(home).expect("a folder for Caddy");
        let config = home.join("caddy.json");
        let text = json!({"admin": {"listen": format!("127.0.0.1:{}", self.admin)}, "apps": self.apps});
        std::fs::write(&config, text.to_string()).expect("Caddy's configuration is written");
        let log = std::fs::File::create(home.join("log")).expect("Caddy's log file");
        let child = Command::new("caddy")
            .args(["run", "--config"])
            .arg(config)
            .env("HOME", home)
            .env("XDG_DATA_HOME", home.join("data"))
            .env("XDG_CONFIG_HOME", home.join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("caddy is installed (Debian: apt-get install caddy)");
        self.child = Some(child);
        ports::wait_until_open(self.admin, Duration::from_secs(20)).await;
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
