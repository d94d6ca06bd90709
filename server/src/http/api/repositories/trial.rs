//! A test delivery: a signed ping that this server sends to itself, by the address that GitHub is given.

use std::time::Duration;

use axum::{Json, extract::State};
use reqwest::{Client, header, redirect::Policy};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{super::lookup, hook_url};
use crate::{
    access::Principal,
    app::AppState,
    deliveries::{github, signature},
    http::{errors::Problem, extract::Named},
    ids::DeliveryId,
    secrets::Secret,
    store::{audit, repositories},
};

/// GitHub waits as long for an answer ("Best practices for using webhooks").
const TIME: Duration = Duration::from_secs(10);

/// How a test delivery went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "HookTrial")]
pub(in crate::http) struct Trial {
    /// Where it was sent.
    pub(in crate::http) url: String,
    /// Whether it arrived, and was taken.
    pub(in crate::http) arrived: bool,
    /// What happened, in a sentence.
    pub(in crate::http) detail: String,
}

pub(super) async fn test(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<Trial>, Problem> {
    Ok(Json(send_trial(&state, &principal, &owner, &name).await?))
}

/// Sends a test delivery and waits for its answer, for the API and for the page.
pub(in crate::http) async fn send_trial(
    state: &AppState,
    principal: &Principal,
    owner: &str,
    name: &str,
) -> Result<Trial, Problem> {
    let mut tx = state.store.write().await?;
    let repository = lookup::repository(&mut tx.conn(), owner, name).await?;
    let hook = repositories::by_hook(&mut tx.conn(), &repository.hook_id).await?;
    let secret = state.decoy.secret(&state.sealer, hook.as_ref()).map_err(|_| {
        Problem::conflict(
            "The webhook's secret was sealed with another key than the server has now: make a new secret.",
        )
    })?;
    audit::append(&mut tx, &principal.actor(), "repository.hook_test", &repository.name, json!({})).await?;
    tx.commit().await?;
    let url = hook_url(state, &repository);
    let (arrived, detail) = match ping(&url, &secret, &repository.name).await {
        Ok(()) => (true, "The test delivery arrived, and its signature held.".to_owned()),
        Err(why) => (false, why),
    };
    Ok(Trial { url, arrived, detail })
}

async fn ping(url: &str, secret: &Secret, repository: &str) -> Result<(), String> {
    slipway_runner::tls::provide();
    // Where a redirect leads, GitHub would not follow either.
    let http = Client::builder().timeout(TIME).redirect(Policy::none()).build();
    let http = http.map_err(|error| format!("No request can be made: {error}."))?;
    let zen = "A test delivery that Slipway sent to itself.";
    let body = json!({"zen": zen, "hook_id": 0, "repository": {"full_name": repository}}).to_string();
    let request = http
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "slipway-test-delivery")
        .header(github::EVENT_HEADER, "ping")
        .header(github::DELIVERY_HEADER, format!("slipway-test-{}", DeliveryId::new()))
        .header(signature::HEADER, signature::sign(secret, body.as_bytes()));
    let answer = request.body(body).send().await.map_err(|error| unreached(&error))?;
    let status = answer.status();
    let location = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
    let said: serde_json::Value = answer.json().await.unwrap_or_default();
    match status.as_u16() {
        200 | 202 if said["delivery"].is_string() => Ok(()),
        _ if status.is_redirection() => Err(format!(
            "The address answers with a redirect to {}, which GitHub does not follow: set public_url to where it leads.",
            location.unwrap_or_else(|| "nowhere".to_owned())
        )),
        _ if said["title"].is_string() => {
            Err(format!("Slipway answered {status}: {}", said["detail"].as_str().unwrap_or_default()))
        }
        _ => Err(format!(
            "Something else than Slipway answered {status}: look at what stands in front of it (a proxy, another server)."
        )),
    }
}

fn unreached(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let why = if error.is_timeout() { "no answer came in time".to_owned() } else { innermost.to_string() };
    format!(
        "The address cannot be reached from the server itself: {why}. Look at public_url, its name in DNS, and what \
         forwards it to Slipway."
    )
}
