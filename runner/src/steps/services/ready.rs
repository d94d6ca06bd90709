//! Asking a service whether it is ready.

use std::time::Duration;

use bollard::{
    exec::{CreateExecOptions, StartExecResults},
    models::{ContainerInspectResponse, HealthStatusEnum},
};
use futures_util::StreamExt as _;
use slipway_pipelines::config::ReadyProbe;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::{
    engine::Engine,
    failure::root_cause,
    inside,
    steps::handing::{Secrets, begun_by_program},
};

/// The pause after the first failed probe; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long one probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
/// How much of an HTTP answer is read: its first line is enough.
const ANSWER_LIMIT: u64 = 1024;

/// Asks one container.
#[derive(Clone, Copy)]
pub(super) struct Prober<'a> {
    pub(super) engine: &'a Engine,
    pub(super) id: &'a str,
    /// The network in which it is asked.
    pub(super) network: &'a str,
    /// Whether that is closed also for this runner.
    pub(super) is_closed: bool,
    /// What a command that asks is given besides what the container was described with.
    pub(super) secrets: &'a Secrets,
}

impl std::fmt::Debug for Prober<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prober").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Prober<'_> {
    /// Waits until the container is ready. The error says, after the service's name, why it is not.
    pub(super) async fn wait(&self, probe: &ReadyProbe, since: Instant, within: Duration) -> Result<(), String> {
        if self.is_closed && matches!(probe, ReadyProbe::Tcp { .. } | ReadyProbe::Http { .. }) {
            return Err(
                "cannot be asked by its port: on this runner steps reach nothing (step_network), and nobody reaches \
                 them; give it `health: {command: …}`, which runs within it"
                    .to_owned(),
            );
        }
        let deadline = since + within;
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = tokio::time::timeout(PROBE_LIMIT, self.ask(probe)).await;
            let last = match asked {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} s", PROBE_LIMIT.as_secs()),
            };
            if Instant::now() + pause > deadline {
                return Err(format!("was not ready within {} s: {last}", within.as_secs_f64()));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn ask(&self, probe: &ReadyProbe) -> Result<(), String> {
        let inspected = self.engine.inspect_container(self.id, None).await;
        let found = inspected.map_err(|error| self.engine.error("look at it", &error).to_string())?;
        match probe {
            ReadyProbe::Command { command } if !self.secrets.is_empty() => self.run(command).await,
            ReadyProbe::Container | ReadyProbe::Command { .. } => healthy(&found),
            ReadyProbe::Tcp { port } => self.connect(&found, *port).await.map(drop),
            ReadyProbe::Http { port, path } => {
                let stream = self.connect(&found, *port).await?;
                let status =
                    get(stream, path).await.map_err(|error| format!("GET {path} on port {port} failed: {error}"))?;
                match status {
                    200..=399 => Ok(()),
                    other => Err(format!("GET {path} on port {port} answered {other}")),
                }
            }
        }
    }

    /// Runs the command that tells, with the service's secrets.
    async fn run(&self, command: &[String]) -> Result<(), String> {
        let told = inside::told(self.secrets)?;
        let failed = |error| self.engine.error("run its health command", &error).to_string();
        let asked = CreateExecOptions {
            cmd: Some(begun_by_program(command)),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = self.engine.create_exec(self.id, asked).await.map_err(failed)?.id;
        let begun = self.engine.start_exec(&exec, None).await.map_err(failed)?;
        let StartExecResults::Attached { mut output, mut input } = begun else { return Err("cannot be asked".into()) };
        // What ends before it has read has said why.
        let _ = input.write_all(told.as_bytes()).await;
        let mut said = Vec::new();
        while let Some(piece) = output.next().await {
            let piece = piece.map_err(failed)?;
            said.extend(piece.as_ref().iter().take(ANSWER_LIMIT as usize - said.len()));
        }
        match self.engine.inspect_exec(&exec).await.map_err(failed)?.exit_code {
            Some(0) => Ok(()),
            _ => Err(format!("its health check says unhealthy{}", in_a_line(&String::from_utf8_lossy(&said)))),
        }
    }

    async fn connect(&self, found: &ContainerInspectResponse, port: u16) -> Result<TcpStream, String> {
        let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        let address = networks
            .and_then(|networks| networks.get(self.network)?.ip_address.clone())
            .filter(|address| !address.is_empty())
            .ok_or("its container has no address")?;
        let connected = TcpStream::connect((address.as_str(), port)).await;
        connected.map_err(|error| format!("port {port} takes no connection: {}", root_cause(&error)))
    }
}

/// What the engine itself asks decides, a command or the image's own HEALTHCHECK; without one, that the container runs.
fn healthy(found: &ContainerInspectResponse) -> Result<(), String> {
    let state = found.state.as_ref();
    if state.and_then(|state| state.running) != Some(true) {
        return Err("its container does not run".to_owned());
    }
    let health = state.and_then(|state| state.health.as_ref());
    match health.and_then(|health| health.status) {
        Some(status @ (HealthStatusEnum::STARTING | HealthStatusEnum::UNHEALTHY)) => {
            let last = health.and_then(|health| health.log.as_ref()?.last()?.output.clone());
            Err(format!("its health check says {status}{}", in_a_line(&last.unwrap_or_default())))
        }
        _ => Ok(()),
    }
}

/// The beginning of what a command said, as the end of a sentence.
fn in_a_line(said: &str) -> String {
    let said: String = said.trim().chars().take(200).collect();
    if said.is_empty() { said } else { format!(": {}", said.replace('\n', " ")) }
}

/// The status of an answer to a GET. Only its first line is read, whatever follows.
async fn get(mut stream: TcpStream, path: &str) -> Result<u16, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: slipway\r\nConnection: close\r\n\r\n");
    let io = |error: std::io::Error| error.to_string();
    stream.write_all(request.as_bytes()).await.map_err(io)?;
    let mut answer = Vec::new();
    let mut bounded = stream.take(ANSWER_LIMIT);
    while !answer.contains(&b'\n') && bounded.read_buf(&mut answer).await.map_err(io)? > 0 {}
    let line = String::from_utf8_lossy(&answer);
    let status = line.strip_prefix("HTTP/").and_then(|rest| rest.split_ascii_whitespace().nth(1)?.parse().ok());
    status.ok_or_else(|| "the answer is not one of HTTP".to_owned())
}
