//! Commit statuses.

use reqwest::Method;
use serde_json::json;

use super::{Account, Need, Refusal};
use crate::forge::Status;

/// `POST /repos/{owner}/{repo}/statuses/{sha}`
/// (<https://docs.github.com/rest/commits/statuses#create-a-commit-status>). To say it twice changes nothing that people see.
pub(super) async fn send(account: &Account<'_>, status: &Status) -> Result<(), Refusal> {
    let body = json!({
        "state": status.state,
        "context": status.context,
        "description": status.description,
        "target_url": format!("{}{}", account.forges.base, status.page),
    });
    account.ask(Need::Statuses, Method::POST, &format!("/statuses/{}", status.sha), Some(&body)).await.map(drop)
}
