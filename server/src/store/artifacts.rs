//! Artifacts: what a build pushed.

use slipway_runner::coordinator::Artifact;
use sqlx::FromRow;

use super::{Conn, JsonText, StoreError, Tx, builds::Build, execute, row, rows};
use crate::ids::BuildId;

#[derive(FromRow)]
struct ArtifactRow {
    app: String,
    image: String,
    digest: String,
    tags: JsonText<Vec<String>>,
    size: i64,
}

/// What a build pushed, in file order.
///
/// # Errors
/// When the database fails.
pub async fn of_build(conn: &mut Conn<'_>, build: &BuildId) -> Result<Vec<Artifact>, StoreError> {
    let found: Vec<ArtifactRow> = rows!(
        conn,
        "SELECT app, image, digest, tags, size FROM artifact WHERE build_id = $1 ORDER BY position",
        build
    )?;
    Ok(found
        .into_iter()
        .map(|row| Artifact { app: row.app, image: row.image, digest: row.digest, tags: row.tags.0, size: row.size })
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

pub(crate) async fn insert(tx: &mut Tx, build: &BuildId, artifacts: &[Artifact]) -> Result<(), StoreError> {
    for (position, artifact) in (0_i64..).zip(artifacts) {
        execute!(
            &mut tx.conn(),
            "INSERT INTO artifact (build_id, position, app, image, digest, tags, size)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            build,
            position,
            &artifact.app,
            &artifact.image,
            &artifact.digest,
            JsonText(&artifact.tags),
            artifact.size
        )?;
    }
    Ok(())
}
