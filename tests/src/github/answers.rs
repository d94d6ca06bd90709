//! What the stand-in answers, in GitHub's shapes.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Deployed, Held, Shown};

impl Held {
    pub(super) fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Value) -> Response {
        for (name, value) in [("accept", "application/vnd.github+json"), ("x-github-api-version", "2022-11-28")] {
            if headers.get(name).is_none_or(|sent| sent != value) {
                return refusal(400, &[], "the request lacks a header that it should have");
            }
        }
        if headers.get("user-agent").is_none() {
            return refusal(403, &[], "Request forbidden by administrative rules.");
        }
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(bearer) = bearer else { return refusal(401, &[], "Requires authentication") };
        let path: Vec<&str> = uri.path().trim_start_matches('/').split('/').collect();
        match (method.as_str(), &path[..]) {
            ("GET", ["repos", owner, name, "installation"]) => self.installation(bearer, &format!("{owner}/{name}")),
            ("POST", ["app", "installations", "77", "access_tokens"]) => self.make_token(bearer, body),
            ("GET", ["repos", owner, name]) => {
                let repository = format!("{owner}/{name}");
                self.permitted(bearer, &repository, "metadata", "read").unwrap_or_else(|| {
                    Json(json!({"id": 1_296_269, "name": name, "full_name": repository, "private": true}))
                        .into_response()
                })
            }
            ("POST", ["repos", owner, name, "statuses", sha]) => {
                let repository = format!("{owner}/{name}");
                self.permitted(bearer, &repository, "statuses", "write")
                    .unwrap_or_else(|| self.make_status(repository, sha, body))
            }
            (verb, ["repos", owner, name, "deployments", rest @ ..]) => {
                let (repository, access) = (format!("{owner}/{name}"), "write");
                self.permitted(bearer, &repository, "deployments", access).unwrap_or_else(|| match (verb, rest) {
                    ("GET", []) => self.list_deployments(&repository, uri),
                    ("POST", []) => self.make_deployment(repository, body),
                    ("POST", [number, "statuses"]) => self.make_deployment_status(number, body),
                    _ => refusal(404, &[], "Not Found"),
                })
            }
            _ => refusal(404, &[], "Not Found"),
        }
    }

    /// The refusal of a bearer who may not do this with a repository; none where it may.
    fn permitted(&self, bearer: &str, repository: &str, permission: &str, access: &str) -> Option<Response> {
        if self.token.as_deref() == Some(bearer) {
            return None;
        }
        let app = self.app.as_ref();
        let Some((app, granted)) = app.and_then(|app| app.tokens.get(bearer).map(|granted| (app, granted))) else {
            return Some(refusal(401, &[], "Bad credentials"));
        };
        if app.repository != repository {
            return Some(refusal(404, &[], "Not Found"));
        }
        if permission != "metadata" && granted[permission] != access {
            let needed = vec![("x-accepted-github-permissions", format!("{permission}={access}"))];
            return Some(refusal(403, &needed, "Resource not accessible by integration"));
        }
        None
    }

    fn make_status(&mut self, repository: String, sha: &str, body: &Value) -> Response {
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        let shown = Shown {
            repository,
            sha: sha.to_owned(),
            context: text("context"),
            state: text("state"),
            description: text("description"),
            target_url: text("target_url"),
        };
        let is_state = ["error", "failure", "pending", "success"].contains(&shown.state.as_str());
        if !is_state || shown.context.is_empty() || shown.description.chars().count() > 140 {
            return refusal(422, &[], "Validation Failed");
        }
        self.statuses.push(shown.clone());
        let url = format!("https://api.github.com/repos/{}/statuses/{sha}", shown.repository);
        let made = json!({
            "url": url, "avatar_url": "https://avatars.githubusercontent.com/in/1", "id": self.statuses.len(),
            "node_id": "SC_1", "state": shown.state, "description": shown.description,
            "target_url": shown.target_url, "context": shown.context, "created_at": "2026-11-22T12:00:00Z",
            "updated_at": "2026-11-22T12:00:00Z", "creator": creator(),
        });
        (StatusCode::CREATED, Json(made)).into_response()
    }

    fn list_deployments(&self, repository: &str, uri: &Uri) -> Response {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let is_asked_for = |made: &Deployed| {
            made.repository == repository
                && query.get("sha").is_none_or(|sha| *sha == made.sha)
                && query.get("environment").is_none_or(|environment| *environment == made.environment)
        };
        let all = self.deployments.iter().enumerate().rev();
        let found = all.filter(|(_, made)| is_asked_for(made)).map(|(index, made)| described(index, made));
        Json(found.collect::<Vec<Value>>()).into_response()
    }

    fn make_deployment(&mut self, repository: String, body: &Value) -> Response {
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        // GitHub would merge the default branch into the commit, or ask for other statuses first.
        if body["auto_merge"] != json!(false) || body["required_contexts"] != json!([]) {
            return refusal(409, &[], "Conflict: Commit status checks failed for topic-branch.");
        }
        if text("ref").is_empty() || text("environment").is_empty() {
            return refusal(422, &[], "Validation Failed");
        }
        let (sha, environment) = (text("ref"), text("environment"));
        let made = Deployed { repository, sha, environment, body: body.clone(), statuses: Vec::new() };
        let answer = described(self.deployments.len(), &made);
        self.deployments.push(made);
        (StatusCode::CREATED, Json(answer)).into_response()
    }

    fn make_deployment_status(&mut self, number: &str, body: &Value) -> Response {
        let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let Some(made) = index.and_then(|index| self.deployments.get_mut(index)) else {
            return refusal(404, &[], "Not Found");
        };
        let states = ["error", "failure", "inactive", "in_progress", "queued", "pending", "success"];
        let is_long = body["description"].as_str().is_some_and(|text| text.chars().count() > 140);
        if is_long || !states.contains(&body["state"].as_str().unwrap_or_default()) {
            return refusal(422, &[], "Validation Failed");
        }
        made.statuses.push(body.clone());
        let url = format!("https://api.github.com/repos/{}/deployments/{number}", made.repository);
        let given = json!({
            "url": format!("{url}/statuses/{}", made.statuses.len()), "id": made.statuses.len(), "node_id": "DES_1",
            "state": body["state"], "creator": creator(), "description": body["description"],
            "environment": made.environment, "target_url": body["log_url"], "log_url": body["log_url"],
            "environment_url": body["environment_url"], "created_at": "2026-11-22T12:00:00Z",
            "updated_at": "2026-11-22T12:00:00Z", "deployment_url": url,
            "repository_url": format!("https://api.github.com/repos/{}", made.repository),
        });
        (StatusCode::CREATED, Json(given)).into_response()
    }

    fn installation(&self, bearer: &str, repository: &str) -> Response {
        match self.app.as_ref().filter(|app| app.proves(bearer)) {
            None => refusal(401, &[], "A JSON web token could not be decoded"),
            Some(app) if app.repository != repository => refusal(404, &[], "Not Found"),
            Some(app) => Json(json!({
                "id": 77, "app_id": 1, "client_id": app.id, "account": creator(), "repository_selection": "selected",
                "permissions": app.permissions, "events": [], "suspended_at": null,
            }))
            .into_response(),
        }
    }

    fn make_token(&mut self, bearer: &str, body: &Value) -> Response {
        let Some(app) = self.app.as_mut().filter(|app| app.proves(bearer)) else {
            return refusal(401, &[], "A JSON web token could not be decoded");
        };
        let (_, name) = app.repository.split_once('/').unwrap_or_default();
        if body["repositories"] != json!([name]) {
            return refusal(422, &[], "There is at least one repository that does not exist or is not accessible");
        }
        let asked = body["permissions"].as_object().cloned().unwrap_or_default();
        if asked.iter().any(|(permission, access)| app.permissions[permission] != *access) {
            return refusal(422, &[], "The permissions requested are not granted to this installation.");
        }
        app.made += 1;
        let token = format!("ghs_{}", app.made);
        app.tokens.insert(token.clone(), body["permissions"].clone());
        let made = json!({
            "token": token, "expires_at": "2026-11-22T13:00:00Z", "permissions": body["permissions"],
            "repository_selection": "selected", "repositories": [{"id": 1_296_269, "full_name": app.repository}],
        });
        (StatusCode::CREATED, Json(made)).into_response()
    }
}

/// A deployment as GitHub tells of it.
fn described(index: usize, made: &Deployed) -> Value {
    let (number, repository) = (index + 1, &made.repository);
    let url = format!("https://api.github.com/repos/{repository}/deployments/{number}");
    json!({
        "url": url, "id": number, "node_id": "DE_1", "sha": made.sha, "ref": made.sha, "task": "deploy",
        "payload": made.body["payload"], "original_environment": made.environment, "environment": made.environment,
        "description": made.body["description"], "creator": creator(), "created_at": "2026-11-22T12:00:00Z",
        "updated_at": "2026-11-22T12:00:00Z", "statuses_url": format!("{url}/statuses"),
        "repository_url": format!("https://api.github.com/repos/{repository}"), "transient_environment": false,
        "production_environment": made.body["production_environment"],
    })
}

fn creator() -> Value {
    json!({"login": "slipway[bot]", "id": 1, "node_id": "BOT_1", "type": "Bot", "site_admin": false})
}

/// A refusal in GitHub's form.
pub(super) fn refusal(status: u16, headers: &[(&'static str, String)], message: &str) -> Response {
    let body = json!({
        "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string(),
    });
    let mut response = (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response();
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a header");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
    response
}
