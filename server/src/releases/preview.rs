//! What a promotion would change, before it is asked for.

use slipway_runner::coordinator::ReleasedApp;

use super::{
    By, ReleaseError, ReleaseKind,
    between::{Commit, between},
    create::{NewRelease, draft},
    gate::Verdict,
    judge::judge,
    promote::{promoted_apps, source_of},
    settings::{SettingChange, changes, strategy_change},
};
use crate::store::{self, Conn, StoreError, environments::Environment, releases::Release, repositories::Repository};

/// What a promotion to an environment would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The environment that it comes from.
    pub source: Environment,
    /// What is live there.
    pub promoted: Release,
    /// What it would replace.
    pub live: Option<Release>,
    /// The commits that differ between the two, newest first.
    pub commits: Vec<Commit>,
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
    let (source, promoted) = source_of(conn, repository, target).await?;
    let live = store::releases::live(conn, &target.id).await?;
    let build = store::builds::find(conn, &promoted.build_id).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", &promoted.build_id))?;
    let apps = promoted_apps(conn, repository, &promoted, target).await?;
    let before: Vec<ReleasedApp> = live.as_ref().map(|live| live.content.0.clone()).unwrap_or_default();
    let live_build = match &live {
        Some(live) => store::builds::find(conn, &live.build_id).await?,
        None => None,
    };
    let between = between(conn, live_build.as_ref(), &build).await?;
    let new = NewRelease {
        environment: target,
        kind: ReleaseKind::Promotion,
        build: &build,
        source: Some(&promoted),
        by: By::name(""),
        apps: apps.clone(),
        dedup_key: String::new(),
    };
    let draft = draft(&new, now);
    // What is live by a way out was released as that is, and not as the environment asks.
    let strategies =
        live.as_ref().filter(|live| !live.kind.is_way_out()).map(|live| (&live.strategy.0, &draft.strategy.0));
    let strategy = strategies.and_then(|(before, after)| strategy_change(before, after));
    let (waits, refused) = match judge(conn, target, &draft, now).await? {
        Verdict::Admit => (None, None),
        Verdict::Wait { why, .. } => (Some(why), None),
        Verdict::Refuse { why } => (None, Some(why)),
    };
    Ok(Preview {
        images: images(&before, &apps),
        settings: strategy.into_iter().chain(changes(&before, &apps)).collect(),
        has_more_commits: between.has_more,
        goes_back: between.goes_back,
        commits: between.commits,
        source,
        promoted,
        live,
        waits,
        refused,
    })
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
