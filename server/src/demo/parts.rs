//! The real parts that the demo stands on: a git server and two Caddys, each a process of its own. The registry, which
//! may be one as well, has its own file.
//!
//! Every part listens on a free port of the loopback address, keeps its files in the demo's folder, and ends with the
//! demo, even when the demo is killed.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::DemoError;

/// How long a part may take until it accepts connections.
const START_LIMIT: Duration = Duration::from_secs(15);

/// A running part; dropping it ends the process.
pub(super) struct Part {
    /// Where it listens.
    pub(super) address: SocketAddr,
    _process: Child,
}

/// Starts a git server for the bare repositories below `folder`.
pub(super) async fn git_server(folder: &Path) -> Result<Part, DemoError> {
    let failed = |reason: String| DemoError::Part { part: "git daemon", reason };
    // `git daemon` would run it as a child of its own, which would outlive the end of `git`.
    let asked = Command::new("git").arg("--exec-path").output().await.map_err(|error| failed(error.to_string()))?;
    let programs = String::from_utf8(asked.stdout).map_err(|error| failed(error.to_string()))?;
    let program = Path::new(programs.trim()).join("git-daemon");
    let address = free_address()?;
    let arguments = [
        "--export-all".to_owned(),
        "--reuseaddr".to_owned(),
        format!("--listen={}", address.ip()),
        format!("--port={}", address.port()),
        format!("--base-path={}", folder.display()),
    ];
    Part::start("git-daemon", &program, &arguments, folder, address).await
}

/// Starts a Caddy with nothing but its admin API; the runner gives it its routes. The address is the admin API's. Each
/// has a folder of its own below `folder`, named for its `role`.
pub(super) async fn caddy(folder: &Path, role: &str) -> Result<Part, DemoError> {
    let address = free_address()?;
    let own = folder.join(role);
    std::fs::create_dir_all(&own)?;
    let config = serde_json::json!({
        "admin": {"listen": address.to_string()},
        "storage": {"module": "file_system", "root": own.join("storage")},
        "logging": {"logs": {"default": {"level": "WARN"}}},
    });
    let file = write(&own, "caddy.json", &config.to_string())?;
    Part::start(
        "caddy",
        Path::new("caddy"),
        &["run".into(), "--config".into(), file.display().to_string()],
        &own,
        address,
    )
    .await
}

/// A loopback address that nobody listens on at the moment.
pub(super) fn free_address() -> Result<SocketAddr, DemoError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| DemoError::Part { part: "a free port", reason: error.to_string() })
}

impl Part {
    /// Starts a program, and waits until it listens on the address.
    pub(super) async fn start(
        part: &'static str,
        program: &Path,
        arguments: &[String],
        folder: &Path,
        address: SocketAddr,
    ) -> Result<Self, DemoError> {
        let failed = |reason: String| DemoError::Part { part, reason };
        let log = folder.join(format!("{part}.log"));
        let output = std::fs::File::create(&log).map_err(|error| failed(error.to_string()))?;
        let errors = output.try_clone().map_err(|error| failed(error.to_string()))?;
        // setpriv (util-linux) ends the part with the demo even on kill -9, when nothing here can run any more.
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(format!("{error}; ./slipway-demo installs what is missing")))?;
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).await.is_err() {
            let ended = process.try_wait().map_err(|error| failed(error.to_string()))?;
            if let Some(status) = ended {
                return Err(failed(format!("it ended at once ({status}): {}", last_line(&log))));
            }
            if Instant::now() > deadline {
                return Err(failed(format!("it does not listen on {address}: {}", last_line(&log))));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Part { address, _process: process })
    }
}

/// Writes a configuration file.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, DemoError> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(|error| DemoError::Part {
        part: "a configuration file",
        reason: format!("{}: {error}", path.display()),
    })?;
    Ok(path)
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it wrote nothing").to_owned()
}
