//! Builds that are looked for by their ref, their author and their state.
//!
//! Each page reads along one index, by the wish that is likely the rarest, and holds what it finds there against the other
//! wishes. It looks at a bounded number of builds, so that page 10,000 costs what the first does, and so does a search that
//! finds nothing: the page then says from where on to look further.

use super::{Conn, StoreError, builds::Build, row, rows};
use crate::{builds::BuildState, ids::RepositoryId};

/// How many builds one page looks at.
const LOOKED_AT: i64 = 2_000;

/// What is looked for; what is none makes no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// The full ref.
    pub git_ref: Option<String>,
    /// The author of the commit.
    pub author: Option<String>,
    /// The state.
    pub state: Option<BuildState>,
}

/// A page of builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The builds, newest first.
    pub builds: Vec<Build>,
    /// The number below which the next page looks; none where there is nothing more.
    pub before: Option<i64>,
}

/// The builds of a repository below number `before` that are as wished, newest first, at most `most`.
///
/// # Errors
/// When the database fails.
pub async fn find(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    wish: &Wish,
    before: Option<i64>,
    most: i64,
) -> Result<Found, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    let mut builds = matching(conn, repository, wish, before, most + 1).await?;
    let kept = usize::try_from(most).unwrap_or(usize::MAX);
    if builds.len() > kept {
        builds.truncate(kept);
        return Ok(Found { before: builds.last().map(|last| last.number), builds });
    }
    // With one wish at most, what was not found is not there.
    let wishes =
        usize::from(wish.git_ref.is_some()) + usize::from(wish.author.is_some()) + usize::from(wish.state.is_some());
    let before = if wishes > 1 { looked_down_to(conn, repository, wish, before).await? } else { None };
    Ok(Found { builds, before })
}

async fn matching(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    wish: &Wish,
    before: i64,
    limit: i64,
) -> Result<Vec<Build>, StoreError> {
    let (author, state) = (wish.author.as_deref().unwrap_or(""), wish.state.map_or("", BuildState::as_str));
    Ok(match wish {
        Wish { git_ref: Some(git_ref), .. } => rows!(
            conn,
            "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                    created_at, started_at, finished_at
             FROM (SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                          created_at, started_at, finished_at FROM build WHERE repository_id = $1 AND git_ref = $2 AND number < $3
                   ORDER BY number DESC LIMIT $4) listed
             WHERE ($5 = '' OR author = $5) AND ($6 = '' OR state = $6) ORDER BY number DESC LIMIT $7",
            repository,
            git_ref.as_str(),
            before,
            LOOKED_AT,
            author,
            state,
            limit
        )?,
        Wish { author: Some(author), .. } => rows!(
            conn,
            "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                    created_at, started_at, finished_at
             FROM (SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                          created_at, started_at, finished_at FROM build WHERE repository_id = $1 AND author = $2 AND number < $3
                   ORDER BY number DESC LIMIT $4) listed
             WHERE ($5 = '' OR state = $5) ORDER BY number DESC LIMIT $6",
            repository,
            author.as_str(),
            before,
            LOOKED_AT,
            state,
            limit
        )?,
        Wish { state: Some(_), .. } => rows!(
            conn,
            "SELECT id, repository_id, number, event, git_ref, commit_sha, before_sha, message, author, state, reason,
                    created_at, started_at, finished_at
             FROM build WHERE repository_id = $1 AND state = $2 AND number < $3 ORDER BY number DESC LIMIT $4",
            repository,
            state,
            before,
            limit
        )?,
        _ => super::builds::list(conn, repository, None, Some(before), limit).await?,
    })
}

/// The lowest number that was looked at, where there may be more below it.
async fn looked_down_to(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    wish: &Wish,
    before: i64,
) -> Result<Option<i64>, StoreError> {
    let found: Option<(Option<i64>, i64)> = match wish {
        Wish { git_ref: Some(git_ref), .. } => row!(
            conn,
            "SELECT MIN(number), CAST(COUNT(*) AS BIGINT) FROM (SELECT number FROM build
                 WHERE repository_id = $1 AND git_ref = $2 AND number < $3 ORDER BY number DESC LIMIT $4) listed",
            repository,
            git_ref.as_str(),
            before,
            LOOKED_AT
        )?,
        Wish { author: Some(author), .. } => row!(
            conn,
            "SELECT MIN(number), CAST(COUNT(*) AS BIGINT) FROM (SELECT number FROM build
                 WHERE repository_id = $1 AND author = $2 AND number < $3 ORDER BY number DESC LIMIT $4) listed",
            repository,
            author.as_str(),
            before,
            LOOKED_AT
        )?,
        _ => None,
    };
    Ok(found.filter(|(_, count)| *count >= LOOKED_AT).and_then(|(lowest, _)| lowest))
}
