//! How long a release has been live: a restore makes what is live anew, and begins nothing.

use super::ReleaseKind;
use crate::store::{self, Conn, StoreError, releases::Release};

/// A release and the restores of it, which are one to everybody who asks since when it is live.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Life {
    /// What it first was.
    pub(super) first: Release,
    /// Its restores that went live, oldest first.
    anew: Vec<Release>,
}

/// The life of a release that is or was live.
pub(super) async fn life(conn: &mut Conn<'_>, release: &Release) -> Result<Life, StoreError> {
    let first = first(conn, release).await?;
    let anew = store::releases::restores_of(conn, &first.id).await?;
    Ok(Life { first, anew })
}

/// What a release first was: of a restore, what it made anew.
pub(super) async fn first(conn: &mut Conn<'_>, release: &Release) -> Result<Release, StoreError> {
    match release.source_release_id.as_ref().filter(|_| release.kind == ReleaseKind::Restore) {
        Some(source) => {
            let found = store::releases::find(conn, source).await?;
            found.ok_or_else(|| StoreError::missing("release", source))
        }
        None => Ok(release.clone()),
    }
}

impl Life {
    /// Everything that it is.
    pub(super) fn releases(&self) -> impl Iterator<Item = &Release> {
        std::iter::once(&self.first).chain(&self.anew)
    }

    /// What it is now, or was last.
    pub(super) fn last(&self) -> &Release {
        self.anew.last().unwrap_or(&self.first)
    }

    /// Since when it is live, in unix milliseconds.
    pub(super) fn since(&self) -> i64 {
        self.first.finished_at.unwrap_or(self.first.created_at)
    }

    /// Until when it was; none while it is.
    pub(super) fn until(&self) -> Option<i64> {
        self.last().retired_at
    }
}
