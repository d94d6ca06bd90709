//! Artifacts: what a build pushed.

use std::collections::{BTreeMap, HashMap};

use slipway_runner::coordinator::{Artifact, INPUT_KEY, KnownImage, RECIPE};
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, builds::Build, execute, row, rows};
use crate::ids::{BuildId, RepositoryId};

/// How many images of each app are told to a runner: enough for branches that are built by turns.
const KNOWN_OF_EACH: usize = 3;

#[derive(FromRow)]
struct ArtifactRow {
    app: String,
    image: String,
    digest: String,
    tags: JsonText<Vec<String>>,
    size: i64,
    attached: JsonText<BTreeMap<String, String>>,
    platform: Option<String>,
}

/// What a build pushed, in file order.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Vec<Artifact>, StoreError> {
    let found: Vec<ArtifactRow> = rows!(
        conn,
        "SELECT app, image, digest, tags, size, attached, platform FROM artifact WHERE build_id = $1 ORDER BY position",
        build
    )?;
    Ok(found
        .into_iter()
        .map(|row| Artifact {
            app: row.app,
            image: row.image,
            digest: row.digest,
            tags: row.tags.0,
            size: row.size,
            attached: row.attached.0,
            platform: row.platform,
        })
        .collect())
}

/// What an earlier build pushed of an app.
#[derive(FromRow)]
pub(crate) struct Earlier {
    pub(crate) image: String,
    pub(crate) digest: String,
    pub(crate) build_id: BuildId,
    pub(crate) build_number: i64,
}

/// What the newest successful build of the same ref before this one pushed of an app, of those that pushed it at all.
pub(crate) async fn newest_before(
    conn: &mut Conn<'_>,
    build: &Build,
    app: &str,
) -> Result<Option<Earlier>, StoreError> {
    Ok(row!(
        conn,
        "SELECT a.image, a.digest, b.id AS build_id, b.number AS build_number
         FROM build b JOIN artifact a ON a.build_id = b.id AND a.app = $4
         WHERE b.repository_id = $1 AND b.git_ref = $2 AND b.number < $3 AND b.state = 'succeeded'
         ORDER BY b.number DESC LIMIT 1",
        &build.repository_id,
        &build.git_ref,
        build.number,
        app
    )?)
}

#[derive(FromRow)]
struct KnownRow {
    app: String,
    image: String,
    digest: String,
    size: i64,
    number: i64,
    attached: JsonText<BTreeMap<String, String>>,
    platform: Option<String>,
    output: JsonText<BTreeMap<String, String>>,
}

impl KnownRow {
    fn image(mut self) -> KnownImage {
        KnownImage {
            key: self.output.0.remove(INPUT_KEY),
            recipe: self.output.0.remove(RECIPE),
            app: self.app,
            image: self.image,
            digest: self.digest,
            size: self.size,
            build: self.number,
            attached: self.attached.0,
            platform: self.platform,
        }
    }
}

/// What the newest builds of a repository pushed, with the keys of what it was made of, if any, the newest first. Pull requests
/// leave nothing that others take over.
pub(crate) async fn known(conn: &mut Conn<'_>, repository: &RepositoryId) -> Result<Vec<KnownImage>, StoreError> {
    let found: Vec<KnownRow> = rows!(
        conn,
        "SELECT a.app, a.image, a.digest, a.size, newest.number, a.attached, a.platform, s.output
         FROM (SELECT id, number FROM build
               WHERE repository_id = $1 AND state = 'succeeded' AND event <> 'pull_request'
               ORDER BY number DESC LIMIT 10) newest
         JOIN artifact a ON a.build_id = newest.id
         JOIN job j ON j.build_id = newest.id
         JOIN step s ON s.job_id = j.id AND s.attempt = j.attempt AND s.app = a.app AND s.kind = 'build'
              AND s.state = 'succeeded'
         ORDER BY newest.number DESC, a.position LIMIT 2000",
        repository
    )?;
    // Those without a key are known for their layers alone, and take no place from the others.
    let mut of_app: HashMap<(String, bool), usize> = HashMap::new();
    let known = found.into_iter().map(KnownRow::image).filter(|known| {
        let count = of_app.entry((known.app.clone(), known.key.is_some())).or_default();
        *count += 1;
        *count <= KNOWN_OF_EACH
    });
    Ok(known.map(|known| KnownImage { recipe: None, ..known }).collect())
}

/// The keys over what a build's images are made of, by app, as far as they have one.
pub(crate) async fn keys(conn: &mut Conn<'_>, build: &BuildId) -> Result<BTreeMap<String, String>, StoreError> {
    let found: Vec<(String, JsonText<BTreeMap<String, String>>)> = rows!(
        conn,
        "SELECT s.app, s.output FROM job j JOIN step s ON s.job_id = j.id AND s.attempt = j.attempt
         WHERE j.build_id = $1 AND s.kind = 'build' AND s.state = 'succeeded' AND s.app IS NOT NULL",
        build
    )?;
    Ok(found.into_iter().filter_map(|(app, mut output)| Some((app, output.0.remove(INPUT_KEY)?))).collect())
}

/// What the newest builds of the same commit pushed, with what the commit makes it by, the newest first.
pub(crate) async fn known_of_commit(conn: &mut Conn<'_>, build: &Build) -> Result<Vec<KnownImage>, StoreError> {
    let found: Vec<KnownRow> = rows!(
        conn,
        "SELECT a.app, a.image, a.digest, a.size, newest.number, a.attached, a.platform, s.output
         FROM (SELECT id, number FROM build
               WHERE repository_id = $1 AND commit_sha = $2 AND number < $3 AND state = 'succeeded'
                     AND event <> 'pull_request'
               ORDER BY number DESC LIMIT 10) newest
         JOIN artifact a ON a.build_id = newest.id
         JOIN job j ON j.build_id = newest.id
         JOIN step s ON s.job_id = j.id AND s.attempt = j.attempt AND s.app = a.app AND s.kind = 'build'
              AND s.state = 'succeeded'
         ORDER BY newest.number DESC, a.position LIMIT 2000",
        &build.repository_id,
        &build.commit_sha,
        build.number
    )?;
    Ok(found.into_iter().map(KnownRow::image).filter(|known| known.recipe.is_some()).collect())
}

pub(crate) async fn insert(tx: &mut Tx, build: &BuildId, artifacts: &[Artifact]) -> Result<(), StoreError> {
    for (position, artifact) in (0_i64..).zip(artifacts) {
        execute!(
            &mut tx.conn(),
            "INSERT INTO artifact (build_id, position, app, image, digest, tags, size, attached, platform)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            build,
            position,
            &artifact.app,
            &artifact.image,
            &artifact.digest,
            JsonText(&artifact.tags),
            artifact.size,
            JsonText(&artifact.attached),
            artifact.platform.as_deref()
        )?;
    }
    Ok(())
}
