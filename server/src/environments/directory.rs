//! The service directory: what runs where, as its runners last told it.

use slipway_runner::coordinator::{ReleasedApp, ReplicaReport};

use crate::{
    runners::Presence,
    store::{self, Conn, StoreError, standing::Place},
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
        // What a runner told that is not heard of any more is of the past.
        let is_told =
            host.is_some_and(|host| matches!(Presence::of(host, now), Presence::Present | Presence::Draining));
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
