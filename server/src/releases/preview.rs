//! What a promotion or a rollback would change, before it is asked for.

use super::{
    By, ReleaseError, ReleaseKind,
    content::is_same,
    create::{NewRelease, draft},
    difference::{Difference, Side, between_sides, difference},
    gate::Verdict,
    judge::{judge, without_exception},
    promote::{promoted_apps, source_of},
    rollback::wanted,
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
    /// What differs between the two.
    pub change: Difference,
    /// What the release would wait for; none where it would begin at once.
    pub waits: Option<String>,
    /// Why it would be refused.
    pub refused: Option<String>,
}

/// What a rollback of an environment would change.
#[derive(Debug, Clone, PartialEq)]
pub struct WayBack {
    /// The release that it would return to.
    pub to: Release,
    /// What it would replace.
    pub live: Option<Release>,
    /// What differs between the two.
    pub change: Difference,
    /// The releases that wait or roll out, which it would end.
    pub ends: Vec<Release>,
    /// What any other release would have to wait for, and a rollback does not.
    pub passes: Option<String>,
    /// That the environment runs just this already.
    pub is_live: bool,
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
    let new = NewRelease {
        environment: target,
        kind: ReleaseKind::Promotion,
        build: &build,
        source: Some(&promoted),
        by: By::name(""),
        apps,
        dedup_key: String::new(),
    };
    let draft = draft(&new, now);
    let (waits, refused) = match judge(conn, target, &draft, now).await? {
        Verdict::Admit => (None, None),
        Verdict::Wait { why, .. } => (Some(why), None),
        Verdict::Refuse { why } => (None, Some(why)),
    };
    let change = between_sides(conn, live.as_ref(), &Side { build, release: &draft }).await?;
    Ok(Preview { change, source, promoted, live, waits, refused })
}

/// What rolling the environment back now would change: to number `to`, or to where a rollback without a number goes.
///
/// # Errors
/// As a rollback, but for one to what is live already.
pub async fn preview_rollback(
    conn: &mut Conn<'_>,
    environment: &Environment,
    to: Option<i64>,
    now: i64,
) -> Result<WayBack, ReleaseError> {
    let live = store::releases::live(conn, &environment.id).await?;
    let to = wanted(conn, environment, to, live.as_ref()).await?;
    let ends = store::releases::unsettled(conn, &environment.id).await?;
    let is_same = live.as_ref().is_some_and(|live| is_same(&live.content, &to.content));
    let build = store::builds::find(conn, &to.build_id).await?;
    let build = build.ok_or_else(|| StoreError::missing("build", &to.build_id))?;
    let new = NewRelease {
        environment,
        kind: ReleaseKind::Rollback,
        build: &build,
        source: Some(&to),
        by: By::name(""),
        apps: to.content.0.clone(),
        dedup_key: String::new(),
    };
    let passes = match without_exception(conn, environment, &draft(&new, now), now).await? {
        Verdict::Admit => None,
        Verdict::Wait { why, .. } | Verdict::Refuse { why } => Some(why),
    };
    let change = difference(conn, live.as_ref(), &to).await?;
    Ok(WayBack { is_live: is_same && ends.is_empty(), change, to, live, ends, passes })
}

/// What the release changed where it took another's place, or would: with that other one, if there is one.
///
/// # Errors
/// When the database fails.
pub async fn changed_by(conn: &mut Conn<'_>, release: &Release) -> Result<(Option<Release>, Difference), StoreError> {
    let live = store::releases::live(conn, &release.environment_id).await?;
    let before = if release.state.is_settled() {
        // What is live now may have come later.
        let earlier = live.filter(|live| live.number < release.number);
        let replaced = store::releases::replaced_by(conn, release).await?;
        earlier.into_iter().chain(replaced).max_by_key(|before| before.number)
    } else {
        live
    };
    let difference = difference(conn, before.as_ref(), release).await?;
    Ok((before, difference))
}
