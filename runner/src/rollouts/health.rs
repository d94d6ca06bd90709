//! Waiting until a container is ready for traffic, or is known never to be.

use std::time::Duration;

use bollard::models::{Health, HealthStatusEnum};
use reqwest::{Client, redirect::Policy};
use slipway_pipelines::release::{HealthCheck, Probe};
use tokio::{net::TcpStream, time::Instant};

use crate::{
    failure::root_cause,
    targets::{
        Ending, Target,
        docker::{Instance, TargetError, runs},
    },
    tls,
};

/// The pause after the first failed probe; it doubles up to the check's interval, so that a quick app is seen quickly.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long a Swarm's node may take to fetch an image before the time to start runs.
const FETCH_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Asks containers whether they are ready.
#[derive(Debug)]
pub(crate) struct Prober {
    http: Client,
}

/// Why a container is not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unhealthy {
    /// It ended while it was waited for.
    #[error("ended with exit code {0} before it was healthy; its last lines are in the step's log")]
    Exited(i64),
    /// The engine does not run it.
    #[error("does not run: {0}")]
    Refused(String),
    /// Its time to start is over.
    #[error("did not become healthy within {}: {last}", seconds(*within_ms))]
    Late {
        /// The time it had, in milliseconds.
        within_ms: u64,
        /// What the last probe met.
        last: String,
    },
    /// It could not be asked.
    #[error("could not be checked: {0}")]
    Target(#[from] TargetError),
}

impl Prober {
    /// A prober that takes no detours: no proxy of the environment's, no redirect.
    pub(crate) fn new() -> Result<Self, String> {
        tls::provide();
        let http = Client::builder().no_proxy().redirect(Policy::none()).build();
        http.map(|http| Prober { http }).map_err(|failure| root_cause(&failure))
    }

    /// Waits until the container passes its check.
    pub(super) async fn wait(&self, target: &Target, name: &str, check: &HealthCheck) -> Result<Instance, Unhealthy> {
        tokio::select! {
            biased;
            ready = self.ask_until_ready(target, name, check) => ready,
            ended = target.ending(name) => Err(match ended? {
                Ending::Exit(code) => Unhealthy::Exited(code),
                Ending::Refused(reason) => Unhealthy::Refused(reason),
            }),
        }
    }

    /// One probe of a container that was ready before: an error tells what the probe met.
    pub(super) async fn check(
        &self,
        target: &Target,
        name: &str,
        check: &HealthCheck,
    ) -> Result<Result<(), String>, TargetError> {
        Ok(self.ask(target, name, check, Duration::MAX).await?.map(drop))
    }

    /// One probe of a container that was just listed, and has run for `ran`: an error tells what the probe met. The engine is
    /// asked only where the answer is its own.
    pub(crate) async fn probe(
        &self,
        target: &Target,
        listed: &Instance,
        check: &HealthCheck,
        ran: Duration,
    ) -> Result<Result<(), String>, TargetError> {
        match self.ask_itself(listed, check).await {
            Some(answer) => Ok(answer),
            None => ask_engine(target, &listed.name, check, ran).await,
        }
    }

    async fn ask_until_ready(&self, target: &Target, name: &str, check: &HealthCheck) -> Result<Instance, Unhealthy> {
        let since = Instant::now();
        let start = Duration::from_millis(check.start_ms);
        let mut deadline = since + start;
        let interval = Duration::from_millis(check.interval_ms.max(1));
        let mut pause = FIRST_PAUSE.min(interval);
        loop {
            let last = match self.ask(target, name, check, since.elapsed()).await? {
                Ok(instance) => return Ok(instance),
                Err(reason) => reason,
            };
            if since.elapsed() < FETCH_WITHIN && target.is_fetching(name).await? {
                deadline = Instant::now() + start;
            }
            if Instant::now() + pause > deadline {
                return Err(Unhealthy::Late { within_ms: check.start_ms, last });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(interval);
        }
    }

    /// One probe of a container that has run for some time: the container as it stands if it is ready, else what the
    /// probe met.
    async fn ask(
        &self,
        target: &Target,
        name: &str,
        check: &HealthCheck,
        ran: Duration,
    ) -> Result<Result<Instance, String>, TargetError> {
        let Some(instance) = target.find(name).await? else {
            return Ok(Err("its container was removed".to_owned()));
        };
        Ok(self.probe(target, &instance, check, ran).await?.map(|()| instance))
    }

    /// Asks the container where it listens; none where it is for the engine to say.
    async fn ask_itself(&self, instance: &Instance, check: &HealthCheck) -> Option<Result<(), String>> {
        let limit = Duration::from_millis(check.timeout_ms.max(1));
        match &check.probe {
            Probe::Http { path } => Some(self.ask_http(instance, path, limit).await),
            Probe::Tcp => Some(ask_tcp(instance, limit).await),
            Probe::Command { .. } | Probe::Container => None,
        }
    }

    async fn ask_http(&self, instance: &Instance, path: &str, limit: Duration) -> Result<(), String> {
        let Some(upstream) = &instance.upstream else { return Err(no_upstream(instance)) };
        let answer = self.http.get(format!("http://{upstream}{path}")).timeout(limit).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() || answer.status().is_redirection() => Ok(()),
            Ok(answer) => Err(format!("GET {path} answered {}", answer.status().as_u16())),
            Err(failure) if failure.is_timeout() => {
                Err(format!("GET {path} was not answered within {}", in_words(limit)))
            }
            Err(failure) => Err(format!("GET {path} failed: {}", root_cause(&failure))),
        }
    }
}

async fn ask_tcp(instance: &Instance, limit: Duration) -> Result<(), String> {
    let Some(upstream) = &instance.upstream else { return Err(no_upstream(instance)) };
    let port = upstream.rsplit(':').next().unwrap_or_default();
    match tokio::time::timeout(limit, TcpStream::connect(upstream)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(failure)) => Err(format!("port {port} takes no connection: {}", root_cause(&failure))),
        Err(_) => Err(format!("port {port} took no connection within {}", in_words(limit))),
    }
}

/// What the engine itself asks decides, a command or the image's own HEALTHCHECK; without one, that the container has kept running for one interval.
async fn ask_engine(
    target: &Target,
    name: &str,
    check: &HealthCheck,
    ran: Duration,
) -> Result<Result<(), String>, TargetError> {
    let Some(state) = target.state(name).await? else { return Ok(Err("its container was removed".to_owned())) };
    if !runs(&state) {
        let said = state.error.filter(|said| !said.is_empty());
        return Ok(Err(said.unwrap_or_else(|| "its container does not run".to_owned())));
    }
    Ok(match state.health.as_ref().and_then(|health| health.status) {
        Some(HealthStatusEnum::HEALTHY) => Ok(()),
        Some(status @ (HealthStatusEnum::STARTING | HealthStatusEnum::UNHEALTHY)) => {
            let said = state.health.as_ref().map(last_output).unwrap_or_default();
            let asked = if matches!(check.probe, Probe::Command { .. }) {
                "its health command"
            } else {
                "the image's HEALTHCHECK"
            };
            Err(format!("{asked} says {status}{said}"))
        }
        _ => {
            let steady = Duration::from_millis(check.interval_ms.min(check.start_ms / 2));
            // A node of a Swarm may have fetched the image for most of that time.
            let ran = ran.min(target.ran(name).await?);
            if ran >= steady { Ok(()) } else { Err(format!("it has not run for {} yet", in_words(steady))) }
        }
    })
}

fn last_output(health: &Health) -> String {
    let output = health.log.as_ref().and_then(|log| log.last()).and_then(|result| result.output.as_deref());
    let line: String = output.unwrap_or_default().trim().chars().take(200).collect();
    if line.is_empty() { line } else { format!(": {}", line.replace('\n', " ")) }
}

fn no_upstream(instance: &Instance) -> String {
    if let Some(waits) = &instance.waits {
        return waits.clone();
    }
    match instance.address {
        Some(_) => "the app has no port to ask at; give it one in its release settings".to_owned(),
        None => "its container has no address".to_owned(),
    }
}

fn in_words(time: Duration) -> String {
    seconds(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds as people write seconds: `30 s`, `1.5 s`.
pub(crate) fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / 1_000, ms % 1_000);
    if rest == 0 {
        format!("{whole} s")
    } else {
        let fraction = format!("{rest:03}");
        format!("{whole}.{} s", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{HealthCheck, Instance, Probe, Prober, Unhealthy, seconds};
    use crate::targets::docker::InstanceState;

    #[tokio::test]
    async fn who_listens_is_asked_without_the_engine() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let at = |port| {
            let address = Some("127.0.0.1".to_owned());
            Instance::for_model("r", "web", 1, InstanceState::Running, address, Some(port))
        };
        let prober = Prober::new().unwrap();
        let tcp = HealthCheck::with_defaults(Probe::Tcp);
        assert_eq!(prober.ask_itself(&at(port), &tcp).await, Some(Ok(())));
        drop(listener);
        assert!(matches!(prober.ask_itself(&at(port), &tcp).await, Some(Err(_))));
        let of_engine = HealthCheck::with_defaults(Probe::Container);
        assert_eq!(prober.ask_itself(&at(port), &of_engine).await, None);
    }

    #[test]
    fn times_read_as_people_write_them() {
        for (ms, text) in [(30_000, "30 s"), (1_500, "1.5 s"), (50, "0.05 s"), (0, "0 s")] {
            assert_eq!(seconds(ms), text);
        }
    }

    #[test]
    fn a_late_container_says_how_long_it_had_and_what_the_last_probe_met() {
        let late = Unhealthy::Late { within_ms: 30_000, last: "GET /health answered 404".to_owned() };
        assert_eq!(late.to_string(), "did not become healthy within 30 s: GET /health answered 404");
    }
}
