//! What differs between two releases: commits, images, and how the apps run.

use slipway_runner::coordinator::ReleasedApp;

use super::{
    between::{Commit, between},
    settings::{SettingChange, changes, strategy_change},
};
use crate::store::{self, Conn, StoreError, builds::Build, releases::Release};

/// Stands for a value that is not for everybody.
const HIDDEN: &str = "hidden";

/// What differs between two releases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The commits that one of them has and the other has not, newest first.
    pub commits: Vec<Commit>,
    /// Whether there are more than are listed.
    pub has_more_commits: bool,
    /// Whether those commits go, as the earlier of the two has them.
    pub goes_back: bool,
    /// The apps whose image changes.
    pub images: Vec<ImageChange>,
    /// What changes in how the apps run.
    pub settings: Vec<SettingChange>,
}

impl Difference {
    /// As somebody sees it: the values of environment variables are for those alone who may release.
    #[must_use]
    pub fn seen_by(mut self, may_deploy: bool) -> Self {
        for change in self.settings.iter_mut().filter(|change| change.is_private && !may_deploy) {
            for value in [&mut change.before, &mut change.after].into_iter().flatten() {
                HIDDEN.clone_into(value);
            }
        }
        self
    }
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

/// A release with the build that it comes from.
pub(super) struct Side<'r> {
    pub(super) build: Build,
    pub(super) release: &'r Release,
}

impl<'r> Side<'r> {
    /// The side of a release.
    pub(super) async fn of(conn: &mut Conn<'_>, release: &'r Release) -> Result<Self, StoreError> {
        let build = store::builds::find(conn, &release.build_id).await?;
        let build = build.ok_or_else(|| StoreError::missing("build", &release.build_id))?;
        Ok(Side { build, release })
    }
}

/// What differs where `after` runs instead of `before`; all of it is new where nothing ran.
///
/// # Errors
/// When the database fails.
pub async fn difference(
    conn: &mut Conn<'_>,
    before: Option<&Release>,
    after: &Release,
) -> Result<Difference, StoreError> {
    let after = Side::of(conn, after).await?;
    between_sides(conn, before, &after).await
}

/// The same where the build is known, as of a release that is not made yet.
pub(super) async fn between_sides(
    conn: &mut Conn<'_>,
    before: Option<&Release>,
    after: &Side<'_>,
) -> Result<Difference, StoreError> {
    let before = match before {
        Some(before) => Some(Side::of(conn, before).await?),
        None => None,
    };
    let before = before.as_ref();
    let between = between(conn, before.map(|side| &side.build), &after.build).await?;
    let apps: &[ReleasedApp] = before.map_or(&[], |side| &side.release.content.0);
    let new = &after.release.content.0;
    // A way out was released as that is, and not as the environment asks.
    let asked = |release: &Release| !release.kind.is_way_out();
    let strategies = before.map(|side| side.release).filter(|before| asked(before) && asked(after.release));
    let strategy = strategies.and_then(|before| strategy_change(&before.strategy.0, &after.release.strategy.0));
    Ok(Difference {
        images: images(apps, new),
        settings: strategy.into_iter().chain(changes(apps, new)).collect(),
        has_more_commits: between.has_more,
        goes_back: between.goes_back,
        commits: between.commits,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_release_sees_that_a_variable_differs_and_not_how() {
        let change = |setting: &str, is_private| SettingChange {
            app: "web".to_owned(),
            setting: setting.to_owned(),
            before: None,
            after: Some("8".to_owned()),
            is_private,
        };
        let found = Difference {
            settings: vec![change("env TOKEN", true), change("replicas", false)],
            ..Difference::default()
        };
        let values = |seen: Difference| seen.settings.into_iter().map(|it| (it.before, it.after)).collect::<Vec<_>>();
        let (hidden, eight) = (Some(HIDDEN.to_owned()), Some("8".to_owned()));
        assert_eq!(values(found.clone().seen_by(false)), [(None, hidden), (None, eight.clone())]);
        assert_eq!(values(found.seen_by(true)), [(None, eight.clone()), (None, eight)]);
    }
}
