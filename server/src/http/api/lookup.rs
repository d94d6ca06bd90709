//! From the names in an address to the rows that they name.

use serde::Deserialize;
use slipway_web::links;

use crate::{
    http::errors::Problem,
    store::{
        Conn, StoreError,
        builds::{self, Build},
        environments::{self, Environment},
        releases::{self, Release},
        repositories::{self, Repository},
    },
};

/// A release as an address names it.
#[derive(Debug, Deserialize)]
pub(in crate::http) struct ReleasePath {
    /// The owner of the repository.
    pub(in crate::http) owner: String,
    /// The repository's name below its owner.
    pub(in crate::http) name: String,
    /// The environment's name.
    pub(in crate::http) environment: String,
    /// The release's number.
    pub(in crate::http) number: i64,
}

impl ReleasePath {
    /// Its page.
    pub(in crate::http) fn page(&self) -> String {
        links::release(&format!("{}/{}", self.owner, self.name), &self.environment, self.number)
    }
}

/// The repository `owner/name`.
pub(in crate::http) async fn repository(conn: &mut Conn<'_>, owner: &str, name: &str) -> Result<Repository, Problem> {
    let name = format!("{owner}/{name}");
    let found = repositories::by_name(conn, &name).await?;
    found.ok_or_else(|| missing("repository", &name))
}

/// A build of a repository by its number.
pub(in crate::http) async fn build(
    conn: &mut Conn<'_>,
    repository: &Repository,
    number: i64,
) -> Result<Build, Problem> {
    let found = builds::by_number(conn, &repository.id, number).await?;
    found.ok_or_else(|| missing("build", &format!("{number} of {}", repository.name)))
}

/// An environment of a repository by its name.
pub(in crate::http) async fn environment(
    conn: &mut Conn<'_>,
    repository: &Repository,
    name: &str,
) -> Result<Environment, Problem> {
    let found = environments::by_name(conn, &repository.id, name).await?;
    found.ok_or_else(|| missing("environment", &format!("{name} of {}", repository.name)))
}

/// A release of an environment by its number.
pub(in crate::http) async fn release(
    conn: &mut Conn<'_>,
    environment: &Environment,
    number: i64,
) -> Result<Release, Problem> {
    let found = releases::by_number(conn, &environment.id, number).await?;
    found.ok_or_else(|| missing("release", &format!("{number} of {}", environment.name)))
}

fn missing(what: &'static str, which: &str) -> Problem {
    Problem::from(StoreError::missing(what, which))
}
