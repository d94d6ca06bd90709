//! The secrets of repositories: what may be one, and how they are kept and given out.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use slipway_runner::{
    coordinator::{ReleasedApp, SecretValue, WithheldSecret},
    logs::SHORTEST,
};

use super::{Cause, GivenTo, GivenToError, LoginScopeError, Place, Secret};
use crate::{
    ids::{BuildId, RepositoryId},
    queue::CredentialSource,
    secrets::Sealer,
    store::{
        self, Conn, StoreError, Tx,
        instance_secrets::InstanceSecret,
        secrets::{SealedSecret, SecretName, bound_to},
    },
};

/// The longest value, in bytes.
pub const VALUE_LIMIT: usize = 64 * 1024;
/// The longest name, in characters.
const NAME_LIMIT: usize = 64;
/// The most secrets of one repository, those of its environments included: all of them travel with every build.
pub(super) const COUNT_LIMIT: i64 = 200;
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
    /// It is too short to be found in a log.
    #[error(
        "the value has {0} bytes; one of fewer than {SHORTEST} cannot be masked in logs without hiding half of them, and so is \
         no secret: take a longer one"
    )]
    TooShort(usize),
    /// It is too long.
    #[error("the value has {0} bytes; the limit is {VALUE_LIMIT}")]
    TooLong(usize),
    /// It cannot be in an environment variable.
    #[error("the value holds a NUL byte, which no environment variable can")]
    Nul,
    /// It is for no builds that anybody could mean.
    #[error(transparent)]
    GivenTo(#[from] GivenToError),
    /// It is for no repositories that anybody could mean.
    #[error(transparent)]
    Scope(#[from] LoginScopeError),
    /// There are too many.
    #[error("the repository has {COUNT_LIMIT} secrets, which is the limit; remove some")]
    TooMany,
    /// There are too many of the instance.
    #[error("the instance has {COUNT_LIMIT} secrets, which is the limit; remove some")]
    TooManyOfInstance,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets a secret of a repository, or of one of its environments. Releases that run with an earlier value go on with it; for
/// which builds it is stays as it was, unless that is said.
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
    given_to: Option<&GivenTo>,
) -> Result<(), SecretError> {
    check(environment, name, value)?;
    given_to.map_or(Ok(()), GivenTo::check)?;
    let environment = environment.unwrap_or(WHOLE_REPOSITORY);
    if store::secrets::count_others(&mut tx.conn(), repository, environment, name).await? >= COUNT_LIMIT {
        return Err(SecretError::TooMany);
    }
    let sealed = sealer.seal(Place::secret(&bound_to(repository.as_str(), environment, name)), value);
    Ok(store::secrets::set(tx, repository, environment, name, &sealed, given_to).await?)
}

pub(super) fn check(environment: Option<&str>, name: &str, value: &Secret) -> Result<(), SecretError> {
    let value = value.reveal();
    match () {
        () if !is_name(name) => Err(SecretError::Name),
        () if environment.is_some_and(|environment| !is_environment(environment)) => Err(SecretError::Environment),
        () if value.is_empty() => Err(SecretError::Empty),
        () if value.trim().len() < SHORTEST => Err(SecretError::TooShort(value.trim().len())),
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

/// What of the secrets that something names it is given, and what is withheld from it.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Those that it is given.
    pub(crate) values: Vec<SecretValue>,
    /// Those that are not for it, and why.
    pub(crate) withheld: Vec<WithheldSecret>,
}

/// The secret of a name that holds somewhere: an environment's own before the repository's, that before the instance's.
struct Holding {
    environment: Option<String>,
    version: i64,
    sealed: Vec<u8>,
    given_to: GivenTo,
}

impl Holding {
    fn of_instance(secret: InstanceSecret) -> (String, Self) {
        let InstanceSecret { name, version, value, given_to, .. } = secret;
        (name, Holding { environment: None, version, sealed: value, given_to: given_to.0 })
    }

    fn of_repository(secret: SealedSecret) -> (String, Self) {
        let SealedSecret { environment, name, version, value, given_to } = secret;
        (name, Holding { environment: Some(environment), version, sealed: value, given_to: given_to.0 })
    }

    /// Its value. One that cannot be opened counts as not set: to set it anew is what helps.
    fn open(&self, source: &dyn CredentialSource, repository: &RepositoryId, name: &str) -> Option<String> {
        let opened = match &self.environment {
            Some(environment) => {
                source.unseal(Place::secret(&bound_to(repository.as_str(), environment, name)), &self.sealed)
            }
            None => source.unseal(Place::instance_secret(name), &self.sealed),
        };
        let Holding { environment, version, .. } = self;
        opened
            .inspect_err(
                |problem| tracing::error!(%repository, environment, name, version, %problem, "cannot open a secret"),
            )
            .ok()
    }
}

/// All that hold in an environment of a repository, or in its builds where none is named, by their names.
async fn holding(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    environment: Option<&str>,
) -> Result<BTreeMap<String, Holding>, StoreError> {
    let mut all = BTreeMap::new();
    let instance = store::instance_secrets::list(conn).await?;
    if !instance.is_empty() {
        let found = store::repositories::find(conn, repository).await?;
        let found = found.ok_or_else(|| StoreError::missing("repository", repository))?;
        let ours = instance.into_iter().filter(|secret| secret.scope().holds(&found.name));
        all.extend(ours.map(Holding::of_instance));
    }
    let own = store::secrets::values(conn, repository, environment.unwrap_or(WHOLE_REPOSITORY)).await?;
    // An environment's own come after the repository's, and so in their place.
    all.extend(own.into_iter().map(Holding::of_repository));
    Ok(all)
}

/// The secrets that the steps of a build may name.
pub(crate) async fn of_build(
    conn: &mut Conn<'_>,
    source: &dyn CredentialSource,
    repository: &RepositoryId,
    cause: Cause<'_>,
) -> Result<Given, StoreError> {
    let mut given = Given::default();
    for (name, holding) in holding(conn, repository, None).await? {
        match holding.given_to.allows(cause) {
            Ok(()) => {
                let value = holding.open(source, repository, &name);
                given.values.extend(value.map(|value| SecretValue { name, version: None, value }));
            }
            Err(reason) => given.withheld.push(WithheldSecret { name, reason }),
        }
    }
    Ok(given)
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

/// A release whose apps are given their secrets.
pub(crate) struct Receiver<'a> {
    /// The repository.
    pub(crate) repository: &'a RepositoryId,
    /// The environment's name.
    pub(crate) environment: &'a str,
    /// The build of the release, which made every app that names no other.
    pub(crate) build: &'a BuildId,
    /// What is to run.
    pub(crate) apps: &'a [ReleasedApp],
    /// What is live, and may have to be returned to.
    pub(crate) former: &'a [ReleasedApp],
}

/// The secrets that released apps name, in the versions that they run with. In place of a value that was forgotten stands
/// that of the day. One that is not for the build of an app that names it is given to none of the release.
pub(crate) async fn of_apps(
    conn: &mut Conn<'_>,
    source: &dyn CredentialSource,
    of: &Receiver<'_>,
) -> Result<Given, StoreError> {
    if of.apps.iter().chain(of.former).all(|app| app.run.secrets.is_empty()) {
        return Ok(Given::default());
    }
    let of_the_day = holding(conn, of.repository, Some(of.environment)).await?;
    let mut causes = Causes::default();
    let mut given = Given::default();
    let mut seen: BTreeSet<(&String, Option<i64>)> = BTreeSet::new();
    for (apps, is_former) in [(of.apps, false), (of.former, true)] {
        let naming = apps.iter().flat_map(|app| {
            app.run.secrets.iter().map(move |name| (name, app.secret_versions.get(name).copied(), app))
        });
        let mut named: BTreeMap<(&String, Option<i64>), Vec<&ReleasedApp>> = BTreeMap::new();
        naming.for_each(|(name, version, app)| named.entry((name, version)).or_default().push(app));
        for ((name, version), apps) in named {
            if !seen.insert((name, version)) {
                continue;
            }
            let held = match version {
                Some(version) => store::secrets::version(conn, of.repository, of.environment, name, version).await?,
                None => None,
            };
            let held = held.map(|sealed| Holding::of_repository(sealed).1);
            let Some(holding) = held.as_ref().or_else(|| of_the_day.get(name)) else { continue };
            match causes.allow(conn, of, &holding.given_to, &apps).await? {
                Ok(()) => {
                    let value = holding.open(source, of.repository, name);
                    given.values.extend(value.map(|value| SecretValue { name: name.clone(), version, value }));
                }
                Err(reason) if !is_former => {
                    given.withheld.push(WithheldSecret { name: name.clone(), reason });
                }
                Err(_) => {}
            }
        }
    }
    Ok(given)
}

/// What the builds of apps are of, as far as that was looked up: the event and the ref, by the build's number.
#[derive(Default)]
struct Causes(BTreeMap<Option<i64>, Option<(String, String)>>);

impl Causes {
    /// Whether a secret is for the builds of all of these apps; the reason why it is not.
    async fn allow(
        &mut self,
        conn: &mut Conn<'_>,
        of: &Receiver<'_>,
        given_to: &GivenTo,
        apps: &[&ReleasedApp],
    ) -> Result<Result<(), String>, StoreError> {
        if given_to.is_every_build() {
            return Ok(Ok(()));
        }
        for app in apps {
            let known = match self.0.entry(app.build) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let found = match app.build {
                        Some(number) => store::builds::by_number(conn, of.repository, number).await?,
                        None => store::builds::find(conn, of.build).await?,
                    };
                    unknown.insert(found.map(|build| (build.event, build.git_ref)))
                }
            };
            let allowed = match known {
                Some((event, git_ref)) => given_to.allows(Cause { event, git_ref }),
                None => Err("it is for some builds alone, and the one that made this is not known any more".to_owned()),
            };
            if let Err(reason) = allowed {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(()))
    }
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
        assert!(refused(" abc\n".to_owned()).is_err_and(|why| why.contains("cannot be masked")));
        assert!(refused("a\0b".to_owned()).is_err());
        assert!(check(Some("Production"), "A", &Secret::new("x")).is_err());
        assert!(check(Some("production-2"), "A", &Secret::new("long")).is_ok());
    }
}
