//! What a promotion would change, before it is asked for.

use slipway_runner::coordinator::ReleasedApp;

use super::{
    ReleaseError, ReleaseKind,
    create::{NewRelease, draft},
    gate::Verdict,
    judge::judge,
    promote::{check_settings, promoted_apps, source_of},
    settings::{SettingChange, changes},
};
use crate::store::{
    self, Conn, StoreError, builds::Build, environments::Environment, releases::Release, repositories::Repository,
};

/// The most commits that are listed.
const MOST_COMMITS: usize = 50;

/// What a promotion to an environment would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The environment that it comes from.
    pub source: Environment,
    /// What is live there.
    pub promoted: Release,
    /// What it would replace.
    pub live: Option<Release>,
    /// The builds whose commits differ between the two, newest first.
    pub commits: Vec<Build>,
    /// Whether there are more than are listed.
    pub has_more_commits: bool,
    /// Whether those commits would go, as what is live is newer.
    pub goes_back: bool,
    /// The apps whose image changes.
    pub images: Vec<ImageChange>,
    /// What changes in how the apps run.
    pub settings: Vec<SettingChange>,
    /// What the release would wait for; none where it would begin at once.
    pub waits: Option<String>,
    /// Why it would be refused.
    pub refused: Option<String>,
}

/// An app whose image changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageChange {
    /// The app.
    pub app: String,
    /// The digest that runs; none where the app is new.
    pub before: Option<String>,
    /// The digest that would run; none where the app goes.
    pub after: Option<String>,
}

/// What promoting to `target` now would change.
///
/// # Errors
/// As a promotion, as far as that is known beforehand.
pub async fn preview(
    conn: &mut Conn<'_>,
    repository: &Repository,
    target: &Environment,
    now: i64,
) -> Result<Preview, ReleaseError> {
    check_settings(target)?;
    let (source, promoted) = source_of(conn, repository, target).await?;
    let live = store::releases::live(conn, &target.id).await?;
    let build = store::builds::find(conn, &promoted.build_id).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", &promoted.build_id))?;
    let apps = promoted_apps(conn, repository, &promoted, target).await?;
    let before: Vec<ReleasedApp> = live.as_ref().map(|live| live.content.0.clone()).unwrap_or_default();
    let between = between(conn, repository, live.as_ref(), &build).await?;
    let new = NewRelease {
        environment: target,
        kind: ReleaseKind::Promotion,
        build: &build,
        source: Some(&promoted),
        actor: "",
        apps: apps.clone(),
        dedup_key: String::new(),
    };
    let (waits, refused) = match judge(conn, target, &draft(&new, now), now).await? {
        Verdict::Admit => (None, None),
        Verdict::Wait { why, .. } => (Some(why), None),
        Verdict::Refuse { why } => (None, Some(why)),
    };
    Ok(Preview {
        images: images(&before, &apps),
        settings: changes(&before, &apps),
        has_more_commits: between.has_more,
        goes_back: between.goes_back,
        commits: between.builds,
        source,
        promoted,
        live,
        waits,
        refused,
    })
}

struct Between {
    builds: Vec<Build>,
    has_more: bool,
    goes_back: bool,
}

/// The builds of the promoted build's ref between what is live and what is promoted, each commit once. Where the two are
/// of different refs, what lies between them is not known here, and it is the promoted one alone.
async fn between(
    conn: &mut Conn<'_>,
    repository: &Repository,
    live: Option<&Release>,
    promoted: &Build,
) -> Result<Between, StoreError> {
    let live = match live {
        Some(live) => store::builds::find(conn, &live.build_id).await?,
        None => None,
    };
    let alone = Between { builds: vec![promoted.clone()], has_more: false, goes_back: false };
    let Some(live) = live.filter(|live| live.git_ref == promoted.git_ref) else { return Ok(alone) };
    let goes_back = promoted.number < live.number;
    let (base, newest) = if goes_back { (promoted, &live) } else { (&live, promoted) };
    let limit = i64::try_from(MOST_COMMITS).unwrap_or(i64::MAX).saturating_add(1);
    let before = Some(newest.number + 1);
    let found = store::builds::list(conn, &repository.id, Some(&newest.git_ref), before, limit).await?;
    let mut builds: Vec<Build> = Vec::new();
    for build in found.into_iter().take_while(|build| build.number > base.number) {
        let is_known = builds.iter().any(|known| known.commit_sha == build.commit_sha);
        if !is_known && build.commit_sha != base.commit_sha {
            builds.push(build);
        }
    }
    let has_more = builds.len() > MOST_COMMITS;
    builds.truncate(MOST_COMMITS);
    Ok(Between { builds, has_more, goes_back })
}

/// The apps whose digest changes: those that will run in their order, then those that go.
fn images(before: &[ReleasedApp], after: &[ReleasedApp]) -> Vec<ImageChange> {
    let digest =
        |apps: &[ReleasedApp], name: &str| apps.iter().find(|app| app.app == name).map(|app| app.digest.clone());
    let gone = before.iter().filter(|app| after.iter().all(|other| other.app != app.app));
    let all = after.iter().chain(gone).map(|app| ImageChange {
        app: app.app.clone(),
        before: digest(before, &app.app),
        after: digest(after, &app.app),
    });
    all.filter(|change| change.before != change.after).collect()
}
