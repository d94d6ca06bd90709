//! Deployments, and their statuses.

use reqwest::Method;
use serde_json::{Value, json};
use slipway_web::links;

use super::{Account, Need, Refusal};
use crate::forge::{Deployment, DeploymentState};

/// How many deployments of a commit to an environment are looked through for one: all that GitHub gives at once.
const LOOKED_AT: u8 = 100;

/// Makes the deployment, unless it is there, and gives it a status
/// (<https://docs.github.com/rest/deployments/deployments#create-a-deployment>,
/// <https://docs.github.com/rest/deployments/statuses#create-a-deployment-status>). `known` is GitHub's number of it, as soon as
/// that is known.
pub(super) async fn send(
    account: &Account<'_>,
    deployment: &Deployment,
    known: &mut Option<String>,
) -> Result<(), Refusal> {
    if known.is_none() {
        // Whoever made it may have been killed before that was noted.
        *known = find(account, deployment).await?;
    }
    let number = match known {
        Some(number) => number,
        // What came to nothing before GitHub heard of it is not worth telling.
        None if deployment.state == DeploymentState::Inactive => return Ok(()),
        None => known.insert(make(account, deployment).await?),
    };
    let mut body = json!({
        "state": deployment.state,
        "description": deployment.description,
        "environment": deployment.environment,
        "log_url": format!("{}{}", account.forges.base, deployment.page),
        // Each release says itself when another took its place, also in environments of which GitHub would not think so.
        "auto_inactive": false,
    });
    if let Some(domain) = &deployment.domain {
        body["environment_url"] = json!(account.forges.served_at(domain));
    }
    account
        .ask(Need::Deployments, Method::POST, &format!("/deployments/{number}/statuses"), Some(&body))
        .await
        .map(drop)
}

async fn make(account: &Account<'_>, deployment: &Deployment) -> Result<String, Refusal> {
    let body = json!({
        "ref": deployment.sha,
        "environment": deployment.environment,
        "task": "deploy",
        "description": deployment.description,
        "production_environment": deployment.environment == "production",
        "payload": {"slipway": {"release": deployment.release}},
        // What is released is decided here: GitHub is neither to merge anything nor to ask for other statuses first.
        "auto_merge": false,
        "required_contexts": [],
    });
    let made = account.ask(Need::Deployments, Method::POST, "/deployments", Some(&body)).await?;
    number(&made).ok_or_else(|| Refusal::for_now("GitHub's answer names no deployment"))
}

async fn find(account: &Account<'_>, deployment: &Deployment) -> Result<Option<String>, Refusal> {
    let environment = links::encode(&deployment.environment);
    let path = format!("/deployments?sha={}&environment={environment}&per_page={LOOKED_AT}", deployment.sha);
    let found = account.ask(Need::Deployments, Method::GET, &path, None).await?;
    let ours = |one: &&Value| release_of(&one["payload"]).as_deref() == Some(deployment.release.as_str());
    Ok(found.as_array().into_iter().flatten().find(ours).and_then(number))
}

fn number(deployment: &Value) -> Option<String> {
    deployment["id"].as_i64().map(|number| number.to_string())
}

/// The release that a payload names; GitHub gives it back as it came, or as the text of it.
fn release_of(payload: &Value) -> Option<String> {
    let read = payload.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    read.as_ref().unwrap_or(payload)["slipway"]["release"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_read_in_both_forms() {
        let whole = json!({"slipway": {"release": "01R"}});
        assert_eq!(release_of(&whole).as_deref(), Some("01R"));
        assert_eq!(release_of(&json!(whole.to_string())).as_deref(), Some("01R"));
        for other in [json!({}), json!(""), json!("text"), Value::Null, json!({"slipway": 7})] {
            assert_eq!(release_of(&other), None, "{other}");
        }
    }
}
