//! Connected repositories.

use sqlx::FromRow;

use super::{Conn, Seen, StoreError, Tx, builds::Build, execute, row, rows};
use crate::{
    events::NewEvent,
    ids::{BuildId, RepositoryId},
};

/// A connected repository, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Repository {
    /// Its id.
    pub id: RepositoryId,
    /// Its name, `owner/name`.
    pub name: String,
    /// Where it is fetched from.
    pub clone_url: String,
    /// The branch whose builds define the environments and may move `latest`.
    pub default_branch: String,
    /// The unguessable end of its webhook's address.
    pub hook_id: String,
    /// The number of its newest build; 0 before the first.
    pub last_build_number: i64,
    /// How many of its builds may run at once; none for the server's own limit.
    pub builds_at_once: Option<i64>,
    /// When it was connected, in unix milliseconds.
    pub created_at: i64,
}

/// A repository to connect.
#[derive(Debug, Clone)]
pub struct NewRepository {
    /// Its id, made beforehand, since the sealed secret is bound to it.
    pub id: RepositoryId,
    /// Its name, `owner/name`.
    pub name: String,
    /// Where it is fetched from.
    pub clone_url: String,
    /// The branch whose builds define the environments.
    pub default_branch: String,
    /// An unguessable value.
    pub hook_id: String,
    /// The webhook's secret, sealed.
    pub hook_secret: Vec<u8>,
}

/// A repository as its webhook finds it: with the sealed secret.
#[derive(Debug, Clone, FromRow)]
pub struct Hook {
    /// The repository.
    #[sqlx(flatten)]
    pub repository: Repository,
    /// The sealed secret.
    pub hook_secret: Vec<u8>,
}

/// The newest build of a branch or tag.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Head {
    /// The full ref, such as `refs/heads/main`.
    pub git_ref: String,
    /// The build.
    #[sqlx(flatten)]
    pub build: super::builds::Build,
}

/// Connects a repository.
///
/// # Errors
/// [`StoreError::Refused`] when one of that name is connected already.
pub async fn connect(tx: &mut Tx, new: &NewRepository) -> Result<Repository, StoreError> {
    let now = tx.now();
    let inserted = execute!(
        &mut tx.conn(),
        "INSERT INTO repository (id, name, clone_url, default_branch, hook_id, hook_secret, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING",
        &new.id,
        &new.name,
        &new.clone_url,
        &new.default_branch,
        &new.hook_id,
        &new.hook_secret[..],
        now
    )?;
    if inserted == 0 {
        let leaving: Option<(String,)> =
            row!(&mut tx.conn(), "SELECT name FROM repository WHERE name = $1 AND let_go_at IS NOT NULL", &new.name)?;
        if leaving.is_some() {
            return Err(StoreError::Refused(format!(
                "what the repository {} left when it was disconnected is still being removed; connect it again in a moment",
                new.name
            )));
        }
        return Err(StoreError::Refused(format!("the repository {} is connected already", new.name)));
    }
    tx.emit(NewEvent::new("repository.connected").repository(&new.id).with("name", &new.name));
    Ok(Repository {
        id: new.id.clone(),
        name: new.name.clone(),
        clone_url: new.clone_url.clone(),
        default_branch: new.default_branch.clone(),
        hook_id: new.hook_id.clone(),
        last_build_number: 0,
        builds_at_once: None,
        created_at: now,
    })
}

/// Changes where a repository is fetched from and which branch leads it.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such repository.
pub async fn update(tx: &mut Tx, id: &RepositoryId, clone_url: &str, default_branch: &str) -> Result<(), StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE repository SET clone_url = $2, default_branch = $3 WHERE id = $1",
        id,
        clone_url,
        default_branch
    )?;
    if changed != 1 {
        return Err(StoreError::missing("repository", id));
    }
    tx.emit(NewEvent::new("repository.changed").repository(id));
    Ok(())
}

/// Sets how many builds of a repository may run at once; none for the server's own limit. What runs goes on.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such repository.
pub async fn limit_builds(tx: &mut Tx, id: &RepositoryId, at_once: Option<i64>) -> Result<(), StoreError> {
    let changed = execute!(&mut tx.conn(), "UPDATE repository SET builds_at_once = $2 WHERE id = $1", id, at_once)?;
    if changed != 1 {
        return Err(StoreError::missing("repository", id));
    }
    tx.emit(NewEvent::new("repository.changed").repository(id));
    tx.ring_queue();
    Ok(())
}

/// Replaces the webhook's secret.
///
/// # Errors
/// [`StoreError::Missing`] when there is no such repository.
pub async fn set_hook_secret(tx: &mut Tx, id: &RepositoryId, sealed: &[u8]) -> Result<(), StoreError> {
    let changed = execute!(&mut tx.conn(), "UPDATE repository SET hook_secret = $2 WHERE id = $1", id, sealed)?;
    if changed == 1 { Ok(()) } else { Err(StoreError::missing("repository", id)) }
}

/// The repository with this id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: &mut Conn<'_>, id: &RepositoryId) -> Result<Option<Repository>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, clone_url, default_branch, hook_id, last_build_number, builds_at_once, created_at
         FROM repository WHERE id = $1",
        id
    )?)
}

/// The repository with this name.
///
/// # Errors
/// When the database fails.
pub async fn by_name(conn: &mut Conn<'_>, name: &str) -> Result<Option<Repository>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, clone_url, default_branch, hook_id, last_build_number, builds_at_once, created_at
         FROM repository WHERE name = $1 AND let_go_at IS NULL",
        name
    )?)
}

/// The repository whose webhook has this id.
///
/// # Errors
/// When the database fails.
pub async fn by_hook(conn: &mut Conn<'_>, hook_id: &str) -> Result<Option<Hook>, StoreError> {
    Ok(row!(
        conn,
        "SELECT id, name, clone_url, default_branch, hook_id, last_build_number, builds_at_once, created_at, hook_secret
         FROM repository WHERE hook_id = $1 AND let_go_at IS NULL",
        hook_id
    )?)
}

/// Repositories in the order of their names, those behind `after`, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn list(conn: &mut Conn<'_>, after: &str, limit: i64) -> Result<Vec<Repository>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT id, name, clone_url, default_branch, hook_id, last_build_number, builds_at_once, created_at
         FROM repository WHERE name > $1 AND let_go_at IS NULL ORDER BY name LIMIT $2",
        after,
        limit
    )?)
}

/// The repositories of a list that its reader may see, in the order of their names, those behind `after`, at most `limit`.
///
/// # Errors
/// When the database fails.
pub async fn seen(conn: &mut Conn<'_>, seen: &Seen, after: &str, limit: i64) -> Result<Vec<Repository>, StoreError> {
    Ok(rows!(
        conn,
        sqlite: "SELECT id, name, clone_url, default_branch, hook_id, last_build_number, builds_at_once, created_at
         FROM repository
         WHERE name > $1 AND let_go_at IS NULL AND (name IN (SELECT CAST(value AS TEXT) FROM json_each($3))
                 OR '*' IN (SELECT CAST(value AS TEXT) FROM json_each($3)))
         ORDER BY name LIMIT $2",
        postgres: "SELECT id, name, clone_url, default_branch, hook_id, last_build_number, builds_at_once, created_at
         FROM repository
         WHERE name > $1 AND let_go_at IS NULL
           AND (name IN (SELECT pg_catalog.json_array_elements_text(CAST($3 AS JSON)))
                   OR '*' IN (SELECT pg_catalog.json_array_elements_text(CAST($3 AS JSON))))
         ORDER BY name LIMIT $2",
        after,
        limit,
        seen.names()
    )?)
}

/// The names of the first `limit` repositories.
///
/// # Errors
/// When the database fails.
pub async fn names(conn: &mut Conn<'_>, limit: i64) -> Result<Vec<String>, StoreError> {
    let found: Vec<(String,)> =
        rows!(conn, "SELECT name FROM repository WHERE name > '' AND let_go_at IS NULL ORDER BY name LIMIT $1", limit)?;
    Ok(found.into_iter().map(|(name,)| name).collect())
}

/// The refs of a repository that were built last, each with its newest build, newest first. Deleted refs are left out.
///
/// # Errors
/// When the database fails.
pub async fn heads(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Head>, StoreError> {
    Ok(rows!(
        conn,
        "SELECT b.id, b.repository_id, b.number, b.event, b.git_ref, b.commit_sha, b.before_sha, b.message, b.author,
                b.state, b.reason, b.created_at, b.started_at, b.finished_at
         FROM ref_head h JOIN build b ON b.id = h.build_id
         WHERE h.repository_id = $1 AND h.deleted_at IS NULL AND h.number < $2
         ORDER BY h.number DESC LIMIT $3",
        repository,
        before.unwrap_or(i64::MAX),
        limit
    )?)
}

/// What the store knows of a ref's head.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct RefHead {
    /// The number of its newest build.
    pub(crate) number: i64,
    /// The newest build.
    pub(crate) build_id: BuildId,
    /// The commit that was built last.
    pub(crate) commit_sha: String,
    /// The commit after it, where that one asked not to be built.
    pub(crate) skipped_sha: Option<String>,
    pub(crate) deleted_at: Option<i64>,
    /// When a push was last seen to move it; none where nobody noted that.
    pub(crate) moved_at: Option<i64>,
}

impl RefHead {
    /// The commit that the ref was last seen at.
    pub(crate) fn stands_at(&self) -> &str {
        self.skipped_sha.as_deref().unwrap_or(&self.commit_sha)
    }
}

pub(crate) async fn head(
    conn: &mut Conn<'_>,
    repository: &RepositoryId,
    git_ref: &str,
) -> Result<Option<RefHead>, StoreError> {
    Ok(row!(
        conn,
        "SELECT number, build_id, commit_sha, skipped_sha, deleted_at, moved_at FROM ref_head
         WHERE repository_id = $1 AND git_ref = $2",
        repository,
        git_ref
    )?)
}

/// Makes a build that a push led to the newest of its ref.
pub(crate) async fn move_head(tx: &mut Tx, build: &Build) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "INSERT INTO ref_head (repository_id, git_ref, build_id, number, commit_sha, moved_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (repository_id, git_ref) DO UPDATE
         SET build_id = excluded.build_id, number = excluded.number, commit_sha = excluded.commit_sha,
             moved_at = excluded.moved_at, skipped_sha = NULL, deleted_at = NULL",
        &build.repository_id,
        &build.git_ref,
        &build.id,
        build.number,
        &build.commit_sha,
        now
    )?;
    Ok(())
}

/// Makes a build that was asked for the newest of its ref, which stays where it was last seen. Nobody knows yet whether a
/// ref is there that was never pushed.
pub(crate) async fn build_head(tx: &mut Tx, build: &Build) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE ref_head SET build_id = $3, number = $4 WHERE repository_id = $1 AND git_ref = $2",
        &build.repository_id,
        &build.git_ref,
        &build.id,
        build.number
    )?;
    Ok(())
}

/// Notes that the ref of a build is there, which its checkout has found, if that was not known.
pub(crate) async fn find_head(tx: &mut Tx, build: &Build, commit: &str) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "INSERT INTO ref_head (repository_id, git_ref, build_id, number, commit_sha) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (repository_id, git_ref) DO NOTHING",
        &build.repository_id,
        &build.git_ref,
        &build.id,
        build.number,
        commit
    )?;
    Ok(())
}

/// Notes where the ref of a build stands, which only its checkout could tell.
pub(crate) async fn place_head(tx: &mut Tx, build: &Build, commit: &str) -> Result<(), StoreError> {
    execute!(
        &mut tx.conn(),
        "UPDATE ref_head SET commit_sha = $4, skipped_sha = NULL, deleted_at = NULL
         WHERE repository_id = $1 AND git_ref = $2 AND build_id = $3",
        &build.repository_id,
        &build.git_ref,
        &build.id,
        commit
    )?;
    Ok(())
}

/// Notes that a ref which was built before stands at a commit that is not to be built.
pub(crate) async fn skip_head(
    tx: &mut Tx,
    repository: &RepositoryId,
    git_ref: &str,
    commit: &str,
) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE ref_head SET skipped_sha = $3, deleted_at = NULL, moved_at = $4
         WHERE repository_id = $1 AND git_ref = $2",
        repository,
        git_ref,
        commit,
        now
    )?;
    Ok(())
}

pub(crate) async fn delete_head(tx: &mut Tx, repository: &RepositoryId, git_ref: &str) -> Result<(), StoreError> {
    let now = tx.now();
    execute!(
        &mut tx.conn(),
        "UPDATE ref_head SET deleted_at = $3 WHERE repository_id = $1 AND git_ref = $2",
        repository,
        git_ref,
        now
    )?;
    Ok(())
}

/// Lets no other transaction queue builds of a repository until this one is over.
pub(crate) async fn hold(tx: &mut Tx, id: &RepositoryId) -> Result<(), StoreError> {
    execute!(&mut tx.conn(), "UPDATE repository SET last_build_number = last_build_number WHERE id = $1", id)?;
    Ok(())
}

/// The next build number of a repository. Taking it locks the repository's row until the transaction ends, so that
/// builds of one repository are created one after the other.
pub(crate) async fn next_build_number(tx: &mut Tx, repository: &RepositoryId) -> Result<i64, StoreError> {
    let number: Option<(i64,)> = row!(
        &mut tx.conn(),
        "UPDATE repository SET last_build_number = last_build_number + 1 WHERE id = $1 RETURNING last_build_number",
        repository
    )?;
    number.map(|(number,)| number).ok_or_else(|| StoreError::missing("repository", repository))
}

/// Gives back the number that was just taken in the same transaction, so that numbers stay without gaps.
pub(crate) async fn give_back_build_number(
    tx: &mut Tx,
    repository: &RepositoryId,
    number: i64,
) -> Result<(), StoreError> {
    let changed = execute!(
        &mut tx.conn(),
        "UPDATE repository SET last_build_number = $2 - 1 WHERE id = $1 AND last_build_number = $2",
        repository,
        number
    )?;
    if changed == 1 { Ok(()) } else { Err(StoreError::Conflict { what: "repository", which: repository.to_string() }) }
}
