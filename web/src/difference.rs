//! What differs between two releases: commits, images, and how the apps run.

use askama::Template;

use crate::parts::{Commit, Digest};

/// What differs between two releases.
#[derive(Debug, Template)]
#[template(path = "difference.html")]
pub struct Difference {
    /// What the earlier of the two is called above its column, such as `Runs now`.
    pub before: String,
    /// What the later one is called.
    pub after: String,
    /// The commits that one has and the other has not, newest first.
    pub commits: Vec<Commit>,
    /// Whether there are more.
    pub has_more_commits: bool,
    /// Whether those commits go, as the earlier one has them.
    pub goes_back: bool,
    /// What changes, app by app.
    pub images: Vec<AppChange>,
    /// What changes in how the apps run.
    pub settings: Vec<SettingRow>,
}

impl askama::filters::HtmlSafe for Difference {}

/// An app whose image changes.
#[derive(Debug)]
pub struct AppChange {
    /// The app.
    pub app: String,
    /// What runs; none where the app is new.
    pub before: Option<Digest>,
    /// What will run; none where the app goes.
    pub after: Option<Digest>,
}

/// A setting that changes.
#[derive(Debug)]
pub struct SettingRow {
    /// The app.
    pub app: String,
    /// The setting.
    pub setting: String,
    /// As it is; none where it is not set.
    pub before: Option<String>,
    /// As it would be.
    pub after: Option<String>,
}

impl Difference {
    /// Whether both run the same in the same way, whatever was committed in between.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty() && self.settings.is_empty()
    }
}
