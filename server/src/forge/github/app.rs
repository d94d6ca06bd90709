//! A GitHub App: it proves itself by its key, and is given a token for one repository and one purpose, for an hour.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Account, Refusal, Standing};
use crate::secrets::Secret;

/// A token ends an hour after it was made
/// (<https://docs.github.com/rest/apps/apps#create-an-installation-access-token-for-an-app>); it is not used for as long.
const KEPT: Duration = Duration::from_secs(50 * 60);
/// How long an App's proof holds, in seconds; at most ten minutes, by GitHub's clock.
const PROOF: i64 = 9 * 60;
/// How far back it is dated, as GitHub advises for clocks that differ, in seconds.
const DATED_BACK: i64 = 60;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Need {
    /// Commit statuses.
    Statuses,
    /// Deployments and their statuses.
    Deployments,
    /// The repository's files.
    Contents,
}

impl Need {
    fn permissions(self) -> Value {
        match self {
            Need::Statuses => json!({"statuses": "write"}),
            Need::Deployments => json!({"deployments": "write"}),
            Need::Contents => json!({"contents": "read"}),
        }
    }

    fn deed(self) -> &'static str {
        match self {
            Need::Statuses | Need::Deployments => "write what is to be shown",
            Need::Contents => "read its contents",
        }
    }
}

/// The tokens that are good still.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<Place, Kept>>);

/// Which token: the credential's name and when it was set, the repository, and what for.
type Place = (String, i64, String, Need);

#[derive(Debug, Clone)]
struct Kept {
    token: Secret,
    until: Instant,
}

impl Tokens {
    fn find(&self, place: &Place, now: Instant) -> Option<Secret> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(place).filter(|kept| kept.until > now).map(|kept| kept.token.clone())
    }

    fn keep(&self, place: Place, token: Secret, now: Instant) {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, kept| kept.until > now);
        tokens.insert(place, Kept { token, until: now + KEPT });
    }

    fn forget(&self, place: &Place, token: &Secret) -> bool {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = tokens.get(place).is_some_and(|kept| kept.token == *token);
        if is_it {
            tokens.remove(place);
        }
        is_it
    }
}

fn place(account: &Account<'_>, need: Need) -> Place {
    (account.sealed.name.clone(), account.sealed.updated_at, account.repository.to_owned(), need)
}

/// Forgets a token that was refused; false for one that was asked for just now.
pub(super) fn forget(account: &Account<'_>, need: Need, token: &Secret) -> bool {
    account.forges.tokens.forget(&place(account, need), token)
}

/// A token for the account's repository: one that is kept, or a new one.
pub(super) async fn token(account: &Account<'_>, need: Need, id: &str, key: &Secret) -> Result<Secret, Refusal> {
    let (forges, place) = (account.forges, place(account, need));
    let begun = forges.clock.steady();
    if let Some(token) = forges.tokens.find(&place, begun) {
        return Ok(token);
    }
    let token = new_token(account, need, id, key).await?;
    forges.tokens.keep(place, token.clone(), begun);
    Ok(token)
}

/// A token that nobody was given before.
pub(super) async fn new_token(account: &Account<'_>, need: Need, id: &str, key: &Secret) -> Result<Secret, Refusal> {
    let forges = account.forges;
    let proof = proof(id, key, forges.clock.now() / 1_000).map_err(Refusal::for_ever)?;
    let installed = format!("{}/repos/{}/installation", account.sealed.api, account.repository);
    let installed =
        forges.call(Method::GET, installed, &proof, None).await.map_err(|refusal| of_app(&refusal, id, need))?;
    let number = installed["id"].as_i64().ok_or_else(|| Refusal::for_now("GitHub's answer names no installation"))?;
    let asked = format!("{}/app/installations/{number}/access_tokens", account.sealed.api);
    let (_, name) = account.repository.split_once('/').unwrap_or_default();
    let body = json!({"repositories": [name], "permissions": need.permissions()});
    let made =
        forges.call(Method::POST, asked, &proof, Some(&body)).await.map_err(|refusal| of_app(&refusal, id, need))?;
    let token = made["token"].as_str().ok_or_else(|| Refusal::for_now("GitHub's answer holds no token"))?;
    Ok(Secret::new(token))
}

/// What an App is refused may be granted to it later.
fn of_app(refusal: &Refusal, id: &str, need: Need) -> Refusal {
    let standing = if refusal.standing == Standing::Lasts { Standing::Refused } else { refusal.standing };
    let reason = format!(
        "the App {id} was given no token: {}. See that it is installed for this repository, and may {} there",
        refusal.reason,
        need.deed()
    );
    Refusal { reason, standing }
}

/// Whether a key can be used; else why not.
pub(in crate::forge) fn check_key(key: &Secret) -> Result<(), String> {
    key_pair(key).map(drop)
}

fn key_pair(key: &Secret) -> Result<RsaKeyPair, String> {
    let der =
        PrivateKeyDer::from_pem_slice(key.reveal().as_bytes()).map_err(|_| "it is no private key as PEM".to_owned())?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err("it is no RSA key".to_owned()),
    };
    pair.map_err(|error| format!("as an RSA key it is refused ({error})"))
}

/// A JSON Web Token by which an App proves that it has its key, at a time in unix seconds (RFC 7519, RS256 of RFC 7518;
/// <https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>).
fn proof(id: &str, key: &Secret, now: i64) -> Result<Secret, String> {
    let pair = key_pair(key)?;
    let claims = json!({"iat": now - DATED_BACK, "exp": now + PROOF, "iss": id});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(&claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "the App's key does not sign".to_owned())?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}
