//! The secrets of repositories: what may be one, and how they are kept and given out.

use std::collections::{BTreeMap, BTreeSet};

use slipway_runner::coordinator::{ReleasedApp, SecretValue};

use super::{Place, Secret};
use crate::{
    ids::RepositoryId,
    queue::CredentialSource,
    secrets::Sealer,
    store::{
        self, Conn, StoreError, Tx,
        secrets::{SealedSecret, SecretName},
    },
};

/// The longest value, in bytes.
pub const VALUE_LIMIT: usize = 64 * 1024;
/// The longest name, in characters.
const NAME_LIMIT: usize = 64;
/// The most secrets of one repository, those of its environments included: all of them travel with every build.
const COUNT_LIMIT: i64 = 200;
/// What stands for the whole repository in place of an environment's name.
pub(crate) const WHOLE_REPOSITORY: &str = "";

/// Why a secret cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its name is none.
    #[error(
        "a secret's name is that of an environment variable: letters, digits and “_”, no digit first, at most 64 characters"
    )]
    Name,
    /// The environment's name is none.
    #[error("an environment's name has lower-case letters, digits and “-”, at most 63")]
    Environment,
    /// It is empty.
    #[error("the value is empty; to forget a secret, remove it")]
    Empty,
    /// It is too long.
    #[error("the value has {0} bytes; the limit is {VALUE_LIMIT}")]
    TooLong(usize),
    /// It cannot be in an environment variable.
    #[error("the value holds a NUL byte, which no environment variable can")]
    Nul,
    /// There are too many.
    #[error("the repository has {COUNT_LIMIT} secrets, which is the limit; remove some")]
    TooMany,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets a secret of a repository, or of one of its environments. Releases that run with an earlier value go on with it.
///
/// # Errors
/// [`SecretError`] says why it was not.
pub async fn set(
    tx: &mut Tx,
    sealer: &Sealer,
    repository: &RepositoryId,
    environment: Option<&str>,
    name: &str,
    value: &Secret,
) -> Result<(), SecretError> {
    check(environment, name, value)?;
    let environment = environment.unwrap_or(WHOLE_REPOSITORY);
    if store::secrets::count_others(&mut tx.conn(), repository, environment, name).await? >= COUNT_LIMIT {
        return Err(SecretError::TooMany);
    }
    let sealed = sealer.seal(Place::secret(&key(repository, environment, name)), value);
    Ok(store::secrets::set(tx, repository, environment, name, &sealed).await?)
}

fn check(environment: Option<&str>, name: &str, value: &Secret) -> Result<(), SecretError> {
    let value = value.reveal();
    match () {
        () if !is_name(name) => Err(SecretError::Name),
        () if environment.is_some_and(|environment| !is_environment(environment)) => Err(SecretError::Environment),
        () if value.is_empty() => Err(SecretError::Empty),
        () if value.len() > VALUE_LIMIT => Err(SecretError::TooLong(value.len())),
        () if value.contains('\0') => Err(SecretError::Nul),
        () => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= NAME_LIMIT
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// As captain.yml takes it.
fn is_environment(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// The row's key in one text: what the sealed value is bound to. None of the parts can hold a slash.
fn key(repository: &RepositoryId, environment: &str, name: &str) -> String {
    format!("{repository}/{environment}/{name}")
}

/// The secrets that hold in an environment of a repository, or in its builds where none is named; an environment's own
/// come before the repository's. One that cannot be opened is left out and counts as not set: to set it anew is what
/// helps.
pub(crate) async fn opened(
    conn: &mut Conn<'_>,
    source: &dyn CredentialSource,
    repository: &RepositoryId,
    environment: Option<&str>,
) -> Result<Vec<SecretValue>, StoreError> {
    let mut values = BTreeMap::new();
    for sealed in store::secrets::values(conn, repository, environment.unwrap_or(WHOLE_REPOSITORY)).await? {
        match open(source, repository, &sealed) {
            Some(value) => drop(values.insert(sealed.name, value)),
            None => drop(values.remove(&sealed.name)),
        }
    }
    Ok(values.into_iter().map(|(name, value)| SecretValue { name, version: None, value }).collect())
}

fn open(source: &dyn CredentialSource, repository: &RepositoryId, sealed: &SealedSecret) -> Option<String> {
    let SealedSecret { environment, name, version, value } = sealed;
    let opened = source.unseal(Place::secret(&key(repository, environment, name)), value);
    opened
        .inspect_err(
            |problem| tracing::error!(%repository, environment, name, version, %problem, "cannot open a secret"),
        )
        .ok()
}

/// The apps of a release that is made now, each with the values that its secrets have now in the environment: with those it
/// runs from now on, however often its containers are made anew, and when somebody returns to it. What is not set yet is not
/// among them.
pub(crate) async fn pinned(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    environment: &str,
    mut apps: Vec<ReleasedApp>,
) -> Result<Vec<ReleasedApp>, StoreError> {
    if apps.iter().all(|app| app.run.secrets.is_empty()) {
        return Ok(apps);
    }
    let set = store::secrets::list(conn, repository).await?;
    let holds = |secret: &SecretName| [WHOLE_REPOSITORY, environment].contains(&secret.environment.as_str());
    // An environment's own come after the repository's, and so in their place.
    let versions: BTreeMap<String, i64> =
        set.into_iter().filter(holds).map(|secret| (secret.name, secret.version)).collect();
    for app in &mut apps {
        let named = app.run.secrets.iter().filter_map(|name| versions.get_key_value(name));
        app.secret_versions = named.map(|(name, version)| (name.clone(), *version)).collect();
    }
    Ok(apps)
}

/// The secrets that released apps name, in the versions that they run with. In place of a value that was forgotten stands
/// that of the day.
pub(crate) async fn of_apps(
    conn: &mut Conn<'_>,
    source: &dyn CredentialSource,
    repository: &RepositoryId,
    environment: &str,
    apps: impl Iterator<Item = &ReleasedApp>,
) -> Result<Vec<SecretValue>, StoreError> {
    let named: BTreeSet<(&String, Option<i64>)> = apps
        .flat_map(|app| app.run.secrets.iter().map(|name| (name, app.secret_versions.get(name).copied())))
        .collect();
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let of_the_day = opened(conn, source, repository, Some(environment)).await?;
    let mut secrets = Vec::new();
    for (name, version) in named {
        let held = match version {
            Some(version) => store::secrets::version(conn, repository, environment, name, version).await?,
            None => None,
        };
        let value = match held {
            Some(sealed) => open(source, repository, &sealed),
            None => of_the_day.iter().find(|secret| secret.name == *name).map(|secret| secret.value.clone()),
        };
        secrets.extend(value.map(|value| SecretValue { name: name.clone(), version, value }));
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_like_a_variable() {
        for name in ["NPM_TOKEN", "_x", "a", &"A".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for odd in ["", "1A", "NPM-TOKEN", "A B", "É", "A/B", &"A".repeat(65)] {
            assert!(!is_name(odd), "{odd}");
        }
    }

    #[test]
    fn values_are_bounded() {
        let refused = |value: String| check(None, "A", &Secret::new(value)).map_err(|error| error.to_string());
        assert!(refused("x".repeat(VALUE_LIMIT)).is_ok());
        assert!(refused("x".repeat(VALUE_LIMIT + 1)).is_err());
        assert!(refused(String::new()).is_err());
        assert!(refused("a\0b".to_owned()).is_err());
        assert!(check(Some("Production"), "A", &Secret::new("x")).is_err());
        assert!(check(Some("production-2"), "A", &Secret::new("x")).is_ok());
    }
}
