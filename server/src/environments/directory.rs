//! The service directory: what runs where, as its runners last told it.

use slipway_runner::coordinator::{ReleasedApp, ReplicaReport};

use crate::{
    ids::EnvironmentId,
    runners::Presence,
    store::{self, Conn, StoreError, runners::Runner, standing::Place},
};

/// One replica of an app that is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The repository's name.
    pub repository: String,
    /// The environment's name.
    pub environment: String,
    /// The app, which is its address for the others in the environment's network.
    pub app: String,
    /// Which replica, from 1.
    pub replica: u32,
    /// Where it takes connections, `address:port`; none of what takes none, or is not known to run.
    pub address: Option<String>,
    /// How it is: as its runner told it, or `unknown` while nobody tells.
    pub condition: &'static str,
    /// The number of the live release.
    pub release: i64,
    /// The host name that the proxy routes to the app.
    pub domain: Option<String>,
    /// The runner that hosts it, by name.
    pub runner: Option<String>,
    /// The name of its container, where it is known.
    pub container: Option<String>,
}

/// What is said of a replica that nobody tells of.
const UNKNOWN: &str = "unknown";

/// Every replica of everything that is live, by repository, environment, app and number. `now` is the database's, in unix
/// milliseconds.
///
/// # Errors
/// When the database fails.
pub async fn directory(conn: &mut Conn<'_>, now: i64) -> Result<Vec<Service>, StoreError> {
    let runners = store::runners::list(conn).await?;
    let mut services = Vec::new();
    for place in store::standing::places(conn).await? {
        let host = runners.iter().find(|runner| Some(&runner.id) == place.runner_id.as_ref());
        let is_told = host.is_some_and(|host| is_heard_of(host, now));
        let runner = host.map(|host| host.name.clone());
        for app in place.content.iter() {
            for replica in 1..=app.run.replicas {
                let told = place.replicas.iter().flat_map(|told| told.iter()).filter(|_| is_told);
                let mut told = told;
                let told = told.find(|told| (&told.app, told.replica) == (&app.app, replica));
                services.push(service(&place, app, replica, told, runner.clone()));
            }
        }
    }
    Ok(services)
}

/// How the replicas of what is live in an environment stand, as its runner last told it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The replicas.
    pub replicas: Vec<ReplicaReport>,
    /// Whether that runner is still heard of.
    pub is_heard_of: bool,
}

impl Told {
    /// How one of them is, in a word.
    #[must_use]
    pub fn condition(&self, replica: &ReplicaReport) -> &'static str {
        if self.is_heard_of { replica.condition.word() } else { UNKNOWN }
    }
}

/// How the replicas of what is live in the environment stand; empty where nothing was told. `now` is the database's, in unix
/// milliseconds.
///
/// # Errors
/// When the database fails.
pub async fn told(conn: &mut Conn<'_>, environment: &EnvironmentId, now: i64) -> Result<Told, StoreError> {
    let Some(standing) = store::standing::find(conn, environment).await? else { return Ok(Told::default()) };
    let host = store::runners::find(conn, &standing.runner_id).await?;
    Ok(Told { replicas: standing.replicas.0, is_heard_of: host.is_some_and(|host| is_heard_of(&host, now)) })
}

/// What a runner told that is not heard of any more is of the past.
fn is_heard_of(runner: &Runner, now: i64) -> bool {
    matches!(Presence::of(runner, now), Presence::Present | Presence::Draining)
}

fn service(
    place: &Place,
    app: &ReleasedApp,
    replica: u32,
    told: Option<&ReplicaReport>,
    runner: Option<String>,
) -> Service {
    Service {
        repository: place.repository.clone(),
        environment: place.environment.clone(),
        app: app.app.clone(),
        replica,
        address: told.and_then(|told| told.address.clone()),
        condition: told.map_or(UNKNOWN, |told| told.condition.word()),
        release: place.number,
        domain: app.run.domain.clone(),
        runner,
        container: told.map(|told| told.container.clone()),
    }
}
