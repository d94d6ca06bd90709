//! How a container is doing.

use std::collections::HashMap;

use bollard::{
    models::{ContainerMemoryStats, ContainerState, ContainerStatsResponse, ContainerSummary},
    query_parameters::{ListContainersOptionsBuilder, StatsOptionsBuilder},
};
use futures_util::StreamExt;

use super::{APP, DockerTarget, ENVIRONMENT, TargetError, runs};
use crate::engine::{Engine, EngineError, labels as kinds};

/// What the engine knows of a container at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Vitals {
    /// Whether it runs.
    pub runs: bool,
    /// How often the engine started it again by itself.
    pub restarts: i64,
    /// How it ended last; 0 if it never did.
    pub exit_code: i64,
    /// Whether it was killed because it needed more memory than it may have.
    pub out_of_memory: bool,
    /// The CPU time that it has used, in nanoseconds.
    pub cpu_ns: u64,
    /// How many CPUs it may use.
    pub cpus: f64,
    /// Whether those are its own limit, and not all that its machine has.
    pub has_cpu_limit: bool,
    /// The memory that it uses, in bytes, without what the system may take back at any time.
    pub memory: u64,
    /// The memory that it may use, in bytes: all of the machine's where it has no limit.
    pub memory_limit: u64,
    /// Whether that is a limit of its own.
    pub has_memory_limit: bool,
}

/// A container of a release that runs on an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resident {
    /// The engine's id of it.
    pub id: String,
    /// The environment's id.
    pub environment: String,
    /// Its app.
    pub app: String,
}

/// What the engine of a Swarm's node says of a task's container.
const TASK: &str = "com.docker.swarm.task.id";

/// The containers of a runner's releases that run on its engine, of every environment. Tasks of a Swarm do not say which
/// runner asked for them: the server knows whose an environment is.
///
/// # Errors
/// When the engine fails.
pub async fn residents(engine: &Engine, runner: &str) -> Result<Vec<Resident>, EngineError> {
    let own = kinds::filter(&[(kinds::KIND, kinds::KIND_RELEASE), (kinds::RUNNER, runner)]);
    let tasks = HashMap::from([("label".to_owned(), [ENVIRONMENT, APP, TASK].map(str::to_owned).to_vec())]);
    let mut found = Vec::new();
    for filters in [own, tasks] {
        let options = ListContainersOptionsBuilder::default().filters(&filters).build();
        let listed = engine.list_containers(Some(options)).await;
        let listed = listed.map_err(|failure| engine.error("list the containers of releases", &failure))?;
        found.extend(listed.into_iter().filter_map(resident));
    }
    Ok(found)
}

fn resident(summary: ContainerSummary) -> Option<Resident> {
    let (labels, id) = (summary.labels?, summary.id?);
    Some(Resident { id, environment: labels.get(ENVIRONMENT)?.clone(), app: labels.get(APP)?.clone() })
}

impl DockerTarget {
    /// How the container is doing now; none if it is gone.
    ///
    /// # Errors
    /// When the engine fails.
    pub async fn vitals(&self, name: &str) -> Result<Option<Vitals>, TargetError> {
        Ok(vitals(&self.engine, name).await?)
    }
}

/// How a container, by its name or its id, is doing now; none if it is gone.
///
/// # Errors
/// When the engine fails.
pub async fn vitals(engine: &Engine, name: &str) -> Result<Option<Vitals>, EngineError> {
    let found = match engine.inspect_container(name, None).await {
        Ok(found) => found,
        Err(failure) => {
            let error = engine.error(format!("inspect the container {name}"), &failure);
            return if error.is_not_found() { Ok(None) } else { Err(error) };
        }
    };
    let state: ContainerState = found.state.unwrap_or_default();
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
    let stats = engine.stats(name, Some(options)).next().await;
    let stats = match stats {
        Some(Ok(stats)) => stats,
        // What is not known must not be taken for nothing: all that it ever used would seem to be used at once.
        Some(Err(failure)) if runs(&state) => {
            let error = engine.error(format!("measure the container {name}"), &failure);
            if !error.is_not_found() {
                return Err(error);
            }
            ContainerStatsResponse::default()
        }
        // One that does not run, or was just removed, uses nothing.
        _ => ContainerStatsResponse::default(),
    };
    let (cpu, memory) = (stats.cpu_stats.unwrap_or_default(), stats.memory_stats.unwrap_or_default());
    let own = found.host_config.unwrap_or_default();
    let limit = own.nano_cpus.filter(|nano| *nano > 0);
    Ok(Some(Vitals {
        runs: runs(&state),
        restarts: found.restart_count.unwrap_or(0),
        exit_code: state.exit_code.unwrap_or(0),
        out_of_memory: state.oom_killed.unwrap_or(false),
        has_cpu_limit: limit.is_some(),
        cpus: limit.map_or(f64::from(cpu.online_cpus.unwrap_or(1).max(1)), cpus),
        cpu_ns: cpu.cpu_usage.and_then(|usage| usage.total_usage).unwrap_or(0),
        memory: in_use(&memory),
        memory_limit: memory.limit.unwrap_or(0),
        has_memory_limit: own.memory.is_some_and(|bytes| bytes > 0),
    }))
}

/// Files that were read and are kept in case they are read again count as free, as `docker stats` has it
/// (<https://docs.docker.com/reference/cli/docker/container/stats/>).
fn in_use(memory: &ContainerMemoryStats) -> u64 {
    let kept = memory
        .stats
        .as_ref()
        .and_then(|stats| stats.get("total_inactive_file").or_else(|| stats.get("inactive_file")).copied());
    memory.usage.unwrap_or(0).saturating_sub(kept.unwrap_or(0))
}

/// The engine counts CPUs in billionths.
#[expect(clippy::cast_precision_loss, reason = "a number of CPUs needs no more digits")]
fn cpus(nano: i64) -> f64 {
    nano as f64 / 1e9
}
