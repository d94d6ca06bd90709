//! The service directory: what runs where, as its runners last told it.

use slipway_runner::coordinator::{ReleasedApp, ReplicaReport};

use super::attention::Attention;
use crate::store::{self, Conn, StoreError, environments::Environment, standing::Place};

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
    /// How it is: as its runner told it, `unknown` while nobody tells, or `unattended` where nobody looks after it any more.
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
        let attention = Attention::of(host, place.removed_at, now);
        let runner = host.map(|host| host.name.clone());
        for app in place.content.iter() {
            for replica in 1..=app.run.replicas {
                let mut told = place.replicas.iter().flat_map(|told| told.iter());
                let told = told.find(|told| (&told.app, told.replica) == (&app.app, replica));
                let condition = attention.word(told);
                let told = told.filter(|_| attention == Attention::Heard);
                services.push(service((&place, app, replica), told, condition, runner.clone()));
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
    attention: Attention,
}

impl Told {
    /// How one of them is, in a word.
    #[must_use]
    pub fn condition(&self, replica: &ReplicaReport) -> &'static str {
        self.attention.word(Some(replica))
    }

    /// Whether what was told of them is of now.
    #[must_use]
    pub fn is_of_now(&self) -> bool {
        self.attention == Attention::Heard
    }
}

/// How the replicas of what is live in the environment stand; empty where nothing was told. `now` is the database's, in unix
/// milliseconds.
///
/// # Errors
/// When the database fails.
pub async fn told(conn: &mut Conn<'_>, environment: &Environment, now: i64) -> Result<Told, StoreError> {
    let Some(standing) = store::standing::find(conn, &environment.id).await? else { return Ok(Told::default()) };
    let host = store::runners::find(conn, &standing.runner_id).await?;
    let attention = Attention::of(host.as_ref(), environment.removed_at, now);
    Ok(Told { replicas: standing.replicas.0, attention })
}

fn service(
    (place, app, replica): (&Place, &ReleasedApp, u32),
    told: Option<&ReplicaReport>,
    condition: &'static str,
    runner: Option<String>,
) -> Service {
    Service {
        repository: place.repository.clone(),
        environment: place.environment.clone(),
        app: app.app.clone(),
        replica,
        address: told.and_then(|told| told.address.clone()),
        condition,
        release: place.number,
        domain: app.run.domain.clone(),
        runner,
        container: told.map(|told| told.container.clone()),
    }
}
