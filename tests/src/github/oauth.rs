//! Logging in at GitHub (<https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>), and what its API
//! says of whoever did, below `/api/v3`, as a server of one's own has it.

use std::collections::BTreeMap;

use axum::{
    Json,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answers::refusal;

/// The application that people log in to, and who is logged in in the browser.
#[derive(Debug, Default)]
pub(super) struct OAuth {
    pub(super) client: (String, String),
    pub(super) account: Account,
    codes: BTreeMap<String, Code>,
    tokens: BTreeMap<String, Account>,
    made: u32,
}

/// An account.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    pub(super) id: u64,
    pub(super) login: String,
    /// Organisations, and teams as `organisation/team`, with `active` or `pending`.
    pub(super) memberships: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Code {
    challenge: String,
    redirect_uri: String,
    account: Account,
}

impl OAuth {
    /// What it answers; none of what is no part of this.
    pub(super) fn answer(&mut self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Option<Response> {
        match (method.as_str(), uri.path()) {
            ("GET", "/login/oauth/authorize") => {
                Some(self.authorize(&pairs(uri.query().unwrap_or_default().as_bytes())))
            }
            ("POST", "/login/oauth/access_token") => {
                assert_eq!(headers["accept"], "application/json", "GitHub would answer with a form");
                Some(self.exchange(&pairs(body)))
            }
            ("GET", path) => path.strip_prefix("/api/v3/").map(|path| self.api(path, headers)),
            _ => None,
        }
    }

    /// Whoever is logged in agrees.
    fn authorize(&mut self, asked: &BTreeMap<String, String>) -> Response {
        if asked["client_id"] != self.client.0
            || asked["scope"] != "read:org"
            || asked["code_challenge_method"] != "S256"
        {
            return refusal(404, &[], "Not Found");
        }
        self.made += 1;
        let (code, redirect_uri) = (format!("code{}", self.made), asked["redirect_uri"].clone());
        let to = format!("{redirect_uri}?code={code}&state={}", asked["state"]);
        let challenge = asked["code_challenge"].clone();
        self.codes.insert(code, Code { challenge, redirect_uri, account: self.account.clone() });
        (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
    }

    fn exchange(&mut self, asked: &BTreeMap<String, String>) -> Response {
        let refused = |error: &str, description: &str| {
            let uri = "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors";
            Json(json!({"error": error, "error_description": description, "error_uri": uri})).into_response()
        };
        if (&asked["client_id"], &asked["client_secret"]) != (&self.client.0, &self.client.1) {
            return refused("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");
        }
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked["code_verifier"].as_bytes()));
        let code = self.codes.remove(&asked["code"]);
        match code.filter(|code| code.challenge == challenge && code.redirect_uri == asked["redirect_uri"]) {
            None => refused("bad_verification_code", "The code passed is incorrect or expired."),
            Some(code) => {
                let token = format!("gho_{}", asked["code"]);
                self.tokens.insert(token.clone(), code.account);
                Json(json!({"access_token": token, "scope": "read:org", "token_type": "bearer"})).into_response()
            }
        }
    }

    fn api(&self, path: &str, headers: &HeaderMap) -> Response {
        let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(account) = bearer.and_then(|bearer| self.tokens.get(bearer)) else {
            return refusal(401, &[], "Bad credentials");
        };
        let group = match path.split('/').collect::<Vec<_>>()[..] {
            ["user"] => return Json(account.described()).into_response(),
            ["user", "memberships", "orgs", organisation] => organisation.to_owned(),
            ["orgs", organisation, "teams", team, "memberships", login] if login == account.login => {
                format!("{organisation}/{team}")
            }
            _ => return refusal(404, &[], "Not Found"),
        };
        match account.memberships.get(&group) {
            Some(state) => {
                Json(json!({"url": "https://api.github.com", "state": state, "role": "member"})).into_response()
            }
            None => refusal(404, &[], "Not Found"),
        }
    }
}

impl Account {
    fn described(&self) -> Value {
        json!({
            "login": self.login, "id": self.id, "node_id": "U_1", "type": "User", "site_admin": false, "name": null,
            "email": null, "html_url": format!("https://github.com/{}", self.login),
        })
    }
}

fn pairs(text: &[u8]) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text).into_owned().collect()
}
