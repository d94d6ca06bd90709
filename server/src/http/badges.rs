//! `/badges/{owner}/{name}.svg`: how a branch's newest build went, for a README.
//!
//! Where everybody may read, everybody may see it. Elsewhere its address carries a token that is made of the webhook's secret:
//! a new secret makes a new token, and nothing else has to be kept. A wrong token, and a repository that is not there, get
//! the same answer.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use slipway_web::{badge::Badge, parts::reference};

use super::{
    errors::Problem,
    extract::{Asked, Named},
};
use crate::{
    access::{Permission, Routes},
    app::AppState,
    builds::BuildState,
    deliveries::signature,
    secrets::Secret,
    store::{Conn, builds, repositories, repositories::Repository},
};

/// What the token signs. No delivery has such a body, so that a token opens no other door.
const SIGNED: &[u8] = b"\x00slipway badge";
/// How many of a branch's newest builds are looked at for one that ended.
const LOOKED_AT: i64 = 20;
/// How long others may keep the picture, in the words of RFC 9111.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=60");

pub(super) fn routes() -> Routes {
    Routes::new().get("/badges/{owner}/{file}", Permission::Public, show)
}

#[derive(Debug, Deserialize)]
struct Wanted {
    /// The branch; the default one where nothing is said.
    branch: Option<String>,
    token: Option<String>,
}

async fn show(
    State(state): State<AppState>,
    Named((owner, file)): Named<(String, String)>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("There is no such badge, or its token is another one.");
    let name = file.strip_suffix(".svg").ok_or_else(missing)?;
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = repositories::by_name(conn, &format!("{owner}/{name}")).await?;
    if !state.config.public_read {
        let hook = match &repository {
            Some(repository) => repositories::by_hook(conn, &repository.hook_id).await?,
            None => None,
        };
        let secret = state.decoy.secret(&state.sealer, hook.as_ref()).map_err(|error| Problem::internal(&error))?;
        let claimed = wanted.token.as_deref().map(|token| format!("sha256={token}"));
        if !signature::verify(&secret, SIGNED, claimed.as_deref()) {
            return Err(missing());
        }
    }
    let badge = badge(conn, &repository.ok_or_else(missing)?, wanted.branch.as_deref()).await?;
    Ok(answer(&badge.to_string(), &headers))
}

/// The badge of a branch: of its newest build that ended.
pub(super) async fn badge(
    conn: &mut Conn<'_>,
    repository: &Repository,
    branch: Option<&str>,
) -> Result<Badge, Problem> {
    let branch = branch.unwrap_or(&repository.default_branch);
    let git_ref = if branch.starts_with("refs/") { branch.to_owned() } else { format!("refs/heads/{branch}") };
    let newest = builds::list(conn, &repository.id, Some(&git_ref), None, LOOKED_AT).await?;
    let ended = newest.iter().find(|build| matches!(build.state, BuildState::Succeeded | BuildState::Failed));
    Ok(Badge::of(reference(&git_ref), ended.or(newest.first()).map(|build| build.state.into())))
}

/// What an address must carry for the badge to be shown; none where everybody may read.
pub(super) async fn token(
    state: &AppState,
    conn: &mut Conn<'_>,
    repository: &Repository,
) -> Result<Option<String>, Problem> {
    if state.config.public_read {
        return Ok(None);
    }
    let hook = repositories::by_hook(conn, &repository.hook_id).await?;
    let secret: Secret = state.decoy.secret(&state.sealer, hook.as_ref()).map_err(|error| Problem::internal(&error))?;
    Ok(signature::sign(&secret, SIGNED).strip_prefix("sha256=").map(str::to_owned))
}

fn answer(picture: &str, asked: &HeaderMap) -> Response {
    let digest = Sha256::digest(picture.as_bytes());
    let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let is_known = asked
        .get(header::IF_NONE_MATCH)
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_static("image/svg+xml");
        ([(header::CONTENT_TYPE, kind)], picture.to_owned()).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, KEPT);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
