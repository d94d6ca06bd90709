//! What a runner is told of its job.

use slipway_pipelines::config::Event;
use slipway_runner::coordinator::{
    BuildSource, BuildTask, BuildWork, RegistryCredential, RolloutWork, TimeLimit, Witness, Work,
};

use super::{
    ServerCoordinator,
    give_back::{Subject, subject},
    limits, takeover,
};
use crate::{
    builds::ApprovalState,
    forge::to_fetch,
    releases::ReleaseKind,
    secrets::{Cause, Place, repository as secrets},
    signing,
    store::{self, Conn, StoreError, Tx, builds::Build, environments::Environment, jobs::Job, releases::Release},
};

/// All that a lease tells of its job.
pub(super) struct Described {
    pub(super) work: Work,
    pub(super) logins: Logins,
    pub(super) secrets: secrets::Given,
}

/// The logins to registries, as far as a job is concerned.
#[derive(Default)]
pub(super) struct Logins {
    pub(super) given: Vec<RegistryCredential>,
    /// The registries whose login is not for it.
    pub(super) withheld: Vec<String>,
}

/// The job's work, with the logins and the secrets that it may need. A pull request, which may be anybody's, gets neither:
/// its base images are those that everybody can pull.
pub(super) async fn describe(tx: &mut Tx, server: &ServerCoordinator, job: &Job) -> Result<Described, StoreError> {
    let (work, secrets) = match subject(tx, job).await? {
        Subject::Build(build) => {
            let secrets = secrets_of_build(tx, server, &build).await?;
            (Work::Build(build_work(tx, server, build, job).await?), secrets)
        }
        Subject::Release(release) => {
            let work = rollout_work(tx, &release, job).await?;
            let secrets = secrets_of_rollout(tx, server, &release, &work).await?;
            (Work::Rollout(work), secrets)
        }
    };
    let of = match &work {
        Work::Build(build) if is_anybodys(&build.event) => None,
        Work::Build(build) => Some(build.repository_name.as_str()),
        Work::Rollout(rollout) => Some(rollout.repository_name.as_str()),
    };
    let logins = logins(&mut tx.conn(), server, of).await?;
    Ok(Described { work, logins, secrets })
}

/// Whether what caused a build may be anybody's doing: a pull request, or something that this version does not know.
pub(super) fn is_anybodys(event: &str) -> bool {
    Event::named(event).is_none_or(|event| event == Event::PullRequest)
}

/// All that are for it, unless what caused the build may be anybody's doing.
async fn secrets_of_build(
    tx: &mut Tx,
    server: &ServerCoordinator,
    build: &Build,
) -> Result<secrets::Given, StoreError> {
    if is_anybodys(&build.event) {
        return Ok(secrets::Given::default());
    }
    let cause = Cause { event: &build.event, git_ref: &build.git_ref };
    secrets::of_build(&mut tx.conn(), server.credentials.as_ref(), &build.repository_id, cause).await
}

/// Those that the release's apps name, and those of what is live, which may have to be returned to.
async fn secrets_of_rollout(
    tx: &mut Tx,
    server: &ServerCoordinator,
    release: &Release,
    work: &RolloutWork,
) -> Result<secrets::Given, StoreError> {
    let environment = store::environments::find(&mut tx.conn(), &release.environment_id).await?;
    let environment = environment.ok_or_else(|| StoreError::missing("environment", &release.environment_id))?;
    let Environment { repository_id, name, .. } = &environment;
    let receiver = secrets::Receiver {
        repository: repository_id,
        environment: name,
        build: &release.build_id,
        apps: &work.release.apps,
        former: work.previous.as_ref().map_or(&[], |previous| &previous.apps),
    };
    secrets::of_apps(&mut tx.conn(), server.credentials.as_ref(), &receiver).await
}

async fn build_work(tx: &mut Tx, server: &ServerCoordinator, build: Build, job: &Job) -> Result<BuildWork, StoreError> {
    let repository = store::repositories::find(&mut tx.conn(), &build.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &build.repository_id))?;
    let mut known = match Event::named(&build.event) {
        None | Some(Event::PullRequest) => Vec::new(),
        Some(_) => store::artifacts::known(&mut tx.conn(), &repository.id).await?,
    };
    if build.event == Event::Tag.name() {
        known.extend(store::artifacts::known_of_commit(&mut tx.conn(), &build).await?);
    }
    let pull_request = store::pull_requests::of_build(&mut tx.conn(), &build.id).await?;
    let before = match pull_request {
        // It is measured from what it is merged into.
        Some(_) => None,
        None => store::builds::changed_since(&mut tx.conn(), &build, &repository.default_branch).await?,
    };
    let signing_key = signing_key(tx, &build.event).await?;
    let credentials = store::forge_credentials::list(&mut tx.conn()).await?;
    let has_login =
        server.forges.is_some() && to_fetch(&credentials, &repository.name, &repository.clone_url).is_some();
    let witness = witness(tx, server, &repository.name, &build, job).await?;
    let job_build = build.id.clone();
    // What is kept of a pull request is its title and who opened it; what its commit says, the commit tells.
    let said = |text: String| if pull_request.is_some() { String::new() } else { text };
    Ok(BuildWork {
        build: build.id.to_string(),
        number: build.number,
        repository: repository.id.to_string(),
        repository_name: repository.name,
        clone_url: repository.clone_url,
        default_branch: repository.default_branch,
        git_ref: build.git_ref,
        commit: build.commit_sha,
        event: build.event,
        before,
        author: said(build.author),
        message: said(build.message),
        known,
        time_limit: time_limit(tx, job).await?,
        source: match store::pull_requests::proposer(&mut tx.conn(), &job_build).await?.fork {
            Some(_) => BuildSource::Fork,
            None => BuildSource::Own,
        },
        task: match store::approvals::of_build(&mut tx.conn(), &job_build).await? {
            Some(approval) if approval.state != ApprovalState::Given => BuildTask::Look,
            _ => BuildTask::Build,
        },
        earlier: takeover::earlier(&mut tx.conn(), job).await?,
        pull_request,
        signing_key,
        has_login,
        witness,
    })
}

/// The key by which what a build pushes is signed, if there is one.
async fn signing_key(tx: &mut Tx, event: &str) -> Result<Option<String>, StoreError> {
    if is_anybodys(event) {
        return Ok(None);
    }
    Ok(store::signing_keys::list(&mut tx.conn()).await?.into_iter().next().map(|key| key.public_key))
}

/// What this server says of itself to those who read where an image comes from. Of a pull request nothing is pushed.
async fn witness(
    tx: &mut Tx,
    server: &ServerCoordinator,
    repository: &str,
    build: &Build,
    job: &Job,
) -> Result<Option<Witness>, StoreError> {
    let Some(builder) = server.public_url.as_deref().filter(|_| !is_anybodys(&build.event)) else { return Ok(None) };
    let begun = store::steps::begun_at(&mut tx.conn(), &job.id, job.attempt).await?;
    Ok(Some(Witness {
        builder: builder.to_owned(),
        build_url: format!("{builder}/repositories/{repository}/builds/{}", build.number),
        begun: begun.unwrap_or_else(|| tx.now()),
    }))
}

/// What is left of the build's time; a job that is resumed has used some of it.
///
/// A time that is over, or has not begun, is none that a build can have used: then its runner was away for long, or the
/// clock was set while it was. It has the whole of it again.
async fn time_limit(tx: &mut Tx, job: &Job) -> Result<Option<TimeLimit>, StoreError> {
    let Some(minutes) = limits::build_minutes(&mut tx.conn()).await? else { return Ok(None) };
    let now = tx.now();
    let begun = store::steps::begun_at(&mut tx.conn(), &job.id, job.attempt).await?.unwrap_or(now);
    let whole_ms = u64::from(minutes) * 60_000;
    let used_ms = u64::try_from(now - begun).ok().filter(|used| *used < whole_ms).unwrap_or(0);
    Ok(Some(TimeLimit { minutes, left_ms: whole_ms - used_ms }))
}

async fn rollout_work(tx: &mut Tx, release: &Release, job: &Job) -> Result<RolloutWork, StoreError> {
    let environment = store::environments::find(&mut tx.conn(), &release.environment_id).await?;
    let environment = environment.ok_or_else(|| StoreError::missing("environment", &release.environment_id))?;
    let repository = store::repositories::find(&mut tx.conn(), &environment.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &environment.repository_id))?;
    let live = store::releases::live(&mut tx.conn(), &environment.id).await?;
    let signers = &environment.protection.0.signed_by;
    let signed_by = match signers.as_slice() {
        [] => None,
        signers => Some(signing::keys_of(&mut tx.conn(), signers).await?),
    };
    Ok(RolloutWork {
        signed_by,
        environment: environment.id.to_string(),
        environment_name: environment.name,
        repository_name: repository.name,
        release: release.content(),
        previous: live.map(|live| live.content()),
        strategy: release.strategy.0.clone(),
        restore: release.kind == ReleaseKind::Restore,
        // What was migrated stays so on the way back: the release before ran with it until now.
        runs_commands: !matches!(release.kind, ReleaseKind::Rollback | ReleaseKind::Restore),
        failed: store::steps::why_earlier_returned(&mut tx.conn(), job).await?,
    })
}

/// The logins that are for this repository. One that cannot be opened is left out: what needs it fails with the
/// registry's own words.
pub(super) async fn logins(
    conn: &mut Conn<'_>,
    server: &ServerCoordinator,
    repository: Option<&str>,
) -> Result<Logins, StoreError> {
    let mut logins = Logins::default();
    for sealed in store::registry_credentials::list(conn).await? {
        let scope = sealed.scope();
        if !repository.is_some_and(|repository| scope.holds(repository)) {
            logins.withheld.push(sealed.host);
            continue;
        }
        match server.credentials.unseal(Place::registry_password(&sealed.host), &sealed.password) {
            Ok(password) => {
                let login = RegistryCredential { host: sealed.host, username: sealed.username, password };
                logins.given.push(login);
            }
            Err(problem) => tracing::error!(host = %sealed.host, %problem, "cannot open a registry's password"),
        }
    }
    Ok(logins)
}
