//! Apps that a build left out, in the release that follows it.

use std::collections::BTreeMap;

use slipway_pipelines::plan::ReleasePlan;
use slipway_runner::coordinator::ReleasedApp;

use super::{ReleaseKind, content::own_run_spec};
use crate::{
    secrets::repository::pinned,
    store::{self, StoreError, Tx, artifacts::Earlier, builds::Build, environments::Environment, releases::Release},
};

/// The apps that the build left out, by name, each as the newest earlier build of the same ref pushed it, whether that
/// was ever released or not: what changed is measured from that build, so nothing else would bring it. The
/// environment's own copy stays where
///
/// 1. the release before is a rollback: somebody chose what is older, on purpose;
/// 2. the release before is of this ref and no older than that artifact, so it took it, or kept to a rollback;
/// 3. there is no such artifact.
pub(super) async fn apps(
    tx: &mut Tx,
    environment: &Environment,
    build: &Build,
    plan: &ReleasePlan,
    base: Option<&Release>,
) -> Result<Vec<ReleasedApp>, StoreError> {
    let decided = match base {
        Some(base) => decided(tx, build, base).await?,
        None => 0,
    };
    let mut apps = Vec::new();
    for app in plan.left_out.keys().filter(|app| plan.apps.contains_key(*app)) {
        let copy = base.and_then(|base| copy(base, app));
        let earlier = store::artifacts::newest_before(&mut tx.conn(), build, app).await?;
        match (copy, earlier) {
            (Some(copy), Some(earlier)) if earlier.build_number <= decided => apps.push(copy),
            (_, Some(earlier)) => {
                let app = released(tx, environment, plan, app, earlier).await?;
                apps.extend(pinned(&mut tx.conn(), &build.repository_id, &environment.name, vec![app]).await?);
            }
            (copy, None) => apps.extend(copy),
        }
    }
    Ok(apps)
}

/// The number of the newest build of this ref that the environment's release has had its say about.
async fn decided(tx: &mut Tx, build: &Build, base: &Release) -> Result<i64, StoreError> {
    match base.kind {
        ReleaseKind::Rollback => Ok(i64::MAX),
        // It says again what its source said.
        ReleaseKind::Restore => match &base.source_release_id {
            Some(source) => match store::releases::find(&mut tx.conn(), source).await? {
                Some(source) => Box::pin(decided(tx, build, &source)).await,
                None => Ok(i64::MAX),
            },
            None => Ok(i64::MAX),
        },
        ReleaseKind::Promotion => Ok(0),
        ReleaseKind::Build => {
            let of = store::builds::find(&mut tx.conn(), &base.build_id).await?;
            Ok(of.filter(|of| of.git_ref == build.git_ref).map_or(0, |of| of.number))
        }
    }
}

/// What a release holds of an app, with the build that pushed it.
fn copy(base: &Release, app: &str) -> Option<ReleasedApp> {
    let held = base.content.iter().find(|held| held.app == app)?;
    Some(ReleasedApp { build: held.build.or(Some(base.build_number)), ..held.clone() })
}

async fn released(
    tx: &mut Tx,
    environment: &Environment,
    plan: &ReleasePlan,
    app: &str,
    earlier: Earlier,
) -> Result<ReleasedApp, StoreError> {
    let own = store::builds::release_plan(&mut tx.conn(), &earlier.build_id).await?;
    let own = own.ok_or_else(|| StoreError::missing("release plan of build", earlier.build_number))?;
    Ok(ReleasedApp {
        app: app.to_owned(),
        image: earlier.image,
        digest: earlier.digest,
        run: own_run_spec(&own, plan, &environment.name, app),
        build: Some(earlier.build_number),
        secret_versions: BTreeMap::new(),
    })
}
