//! GitHub, which speaks OAuth and not OpenID Connect
//! (<https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>): who somebody is, its API says.

use std::collections::BTreeSet;

use openidconnect::{CsrfToken, HttpRequest, PkceCodeChallenge, http};
use serde::{Deserialize, de::DeserializeOwned};
use url::{Url, form_urlencoded};

use super::{Attempt, Begun, ExternalError, Identity, Provider, Purpose};
use crate::secrets::Secret;

/// The version of the API that is spoken.
const VERSION: &str = "2022-11-28";
/// What is asked for: in which organisations and teams somebody is. Who somebody is needs no scope.
const SCOPE: &str = "read:org";

/// What comes for a code.
#[derive(Deserialize)]
struct Exchanged {
    access_token: Option<Secret>,
    error: Option<String>,
    error_description: Option<String>,
}

/// An account.
#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
}

/// Whether somebody is in an organisation or a team.
#[derive(Deserialize)]
struct Membership {
    state: String,
}

pub(super) fn begin(provider: &Provider, web: &str, next: &str, purpose: Purpose) -> Result<Begun, ExternalError> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let state = CsrfToken::new_random();
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &provider.settings.client_id)
        .append_pair("redirect_uri", &provider.back)
        .append_pair("scope", SCOPE)
        .append_pair("state", state.secret())
        .append_pair("code_challenge", challenge.as_str())
        .append_pair("code_challenge_method", "S256")
        .append_pair("allow_signup", "false")
        .finish();
    let to = Url::parse(&format!("{web}/login/oauth/authorize?{query}")).map_err(|error| provider.unreached(&error))?;
    let attempt = Attempt::new(state.secret(), "", verifier.secret(), next, purpose, provider.clock.now());
    Ok(Begun { to, attempt })
}

pub(super) async fn finish(
    provider: &Provider,
    web: &str,
    api: &str,
    attempt: &Attempt,
    code: &str,
) -> Result<Identity, ExternalError> {
    let token = exchange(provider, web, attempt, code).await?;
    let asked = Asked { provider, api, token: &token };
    let user: User = asked.get("/user").await?.ok_or_else(|| provider.untrusted(&"it names no account"))?;
    let mut groups = BTreeSet::new();
    for group in provider.entrance().worth_asking() {
        if asked.is_member(group, &user.login).await? {
            groups.insert(group.to_owned());
        }
    }
    Ok(Identity {
        issuer: web.to_owned(),
        subject: user.id.to_string(),
        shown: user.login.clone(),
        name: user.login,
        groups,
        ..Identity::default()
    })
}

/// The token for a code.
async fn exchange(provider: &Provider, web: &str, attempt: &Attempt, code: &str) -> Result<Secret, ExternalError> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &provider.settings.client_id)
        .append_pair("client_secret", provider.settings.client_secret.reveal())
        .append_pair("code", code)
        .append_pair("redirect_uri", &provider.back)
        .append_pair("code_verifier", &attempt.verifier)
        .finish();
    let request = http::Request::post(format!("{web}/login/oauth/access_token"))
        .header("accept", "application/json")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.into_bytes());
    let answer: Option<Exchanged> = ask(provider, request).await?;
    let answer = answer.ok_or_else(|| provider.refused("it knows no such application"))?;
    // GitHub refuses with status 200 too.
    match (answer.access_token, answer.error) {
        (Some(token), None) => Ok(token),
        (_, Some(error)) => Err(provider.said_no(&error, answer.error_description.as_deref())),
        (None, None) => Err(provider.unreached(&"its answer holds no token")),
    }
}

/// Asks in somebody's name.
struct Asked<'a> {
    provider: &'a Provider,
    api: &'a str,
    token: &'a Secret,
}

impl Asked<'_> {
    /// Whether somebody is in an organisation (`acme`) or a team (`acme/deployers`), and not only invited.
    async fn is_member(&self, group: &str, login: &str) -> Result<bool, ExternalError> {
        let path = match group.split_once('/') {
            None => format!("/user/memberships/orgs/{group}"),
            Some((organisation, team)) => format!("/orgs/{organisation}/teams/{team}/memberships/{login}"),
        };
        Ok(self.get::<Membership>(&path).await?.is_some_and(|membership| membership.state == "active"))
    }

    /// What is there; none where there is nothing, or nothing that this account may see.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ExternalError> {
        let request = http::Request::get(format!("{}{path}", self.api))
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", VERSION)
            .header("authorization", format!("Bearer {}", self.token.reveal()))
            .body(Vec::new());
        ask(self.provider, request).await
    }
}

async fn ask<T: DeserializeOwned>(
    provider: &Provider,
    request: Result<HttpRequest, http::Error>,
) -> Result<Option<T>, ExternalError> {
    let request = request.map_err(|error| provider.unreached(&error))?;
    let answer = provider.asker.ask(request).await.map_err(|error| provider.unreached(&error))?;
    let status = answer.status();
    if matches!(status.as_u16(), 403 | 404) && !answer.headers().contains_key("retry-after") {
        return Ok(None);
    }
    if status != http::StatusCode::OK {
        return Err(provider.unreached(&format!("it answered {status}")));
    }
    let read = serde_json::from_slice(answer.body());
    read.map(Some).map_err(|_| provider.unreached(&"its answer is not what GitHub's documentation says"))
}
