//! OpenID Connect: the authorisation code flow, with PKCE, a state and a nonce (OpenID Connect Core 1.0, section 3.1).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken, DiscoveryError,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, TokenResponse as _,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenVerifier,
        CoreJwsSigningAlgorithm, CoreProviderMetadata,
    },
};
use serde_json::Value;

use super::{Attempt, Begun, ExternalError, Identity, Provider, Purpose, asker::AskError};

/// How long what a provider told of itself is believed. Whoever begins logins again and again makes no more work for it.
const BELIEVED: Duration = Duration::from_secs(60);
/// The most groups of one account that are looked at.
const MOST_GROUPS: usize = 1_000;

/// The signatures that prove something: of keys that the provider alone has. Those by the client's secret, and none, do not.
const SIGNATURES: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

pub(super) async fn begin(
    provider: &Provider,
    scopes: &[String],
    next: &str,
    purpose: Purpose,
) -> Result<Begun, ExternalError> {
    let client = client(provider, &*metadata(provider).await?)?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (to, state, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email"].map(str::to_owned).into_iter().chain(scopes.iter().cloned()).map(Scope::new))
        .set_pkce_challenge(challenge)
        .url();
    let now = provider.clock.now();
    let attempt = Attempt::new(state.secret(), nonce.secret(), verifier.secret(), next, purpose, now);
    Ok(Begun { to, attempt })
}

pub(super) async fn finish(
    provider: &Provider,
    groups_claim: &str,
    attempt: &Attempt,
    code: &str,
) -> Result<Identity, ExternalError> {
    let client = client(provider, &*metadata(provider).await?)?;
    let asked = client
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .map_err(|_| provider.unreached(&"it names no address for tokens"))?
        .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()));
    let tokens = asked.request_async(&provider.asker).await.map_err(|error| match error {
        RequestTokenError::ServerResponse(said) => provider.refused(&said.to_string()),
        RequestTokenError::Request(error) => provider.unreached(&error),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            provider.unreached(&"its answer is no token, as OpenID Connect has it")
        }
    })?;
    let token =
        tokens.id_token().ok_or_else(|| provider.untrusted(&"it gave no id token; is `openid` a scope there?"))?;
    let verifier = client.id_token_verifier();
    read(token, verifier, &Nonce::new(attempt.nonce.clone()), provider.clock.now(), groups_claim)
        .map_err(|error| provider.untrusted(&error))
}

/// Who an id token is of, if it is for us, of this login, not too old, and signed by its issuer; `now` in unix milliseconds.
fn read(
    token: &CoreIdToken,
    verifier: CoreIdTokenVerifier<'_>,
    nonce: &Nonce,
    now: i64,
    groups_claim: &str,
) -> Result<Identity, ClaimsVerificationError> {
    let time = DateTime::from_timestamp_millis(now).unwrap_or_default();
    let verifier = verifier.set_allowed_algs(SIGNATURES).set_time_fn(move || time);
    let claims = token.claims(&verifier, nonce)?;
    let all = payload(token);
    let email = claims.email().map(|email| email.as_str().to_owned());
    let local = email.as_deref().and_then(|email| Some(email.split_once('@')?.0.to_owned()));
    let called = claims.preferred_username().map(|name| name.as_str().to_owned());
    let subject = claims.subject().as_str();
    Ok(Identity {
        issuer: claims.issuer().as_str().to_owned(),
        subject: subject.to_owned(),
        shown: email.clone().or_else(|| called.clone()).unwrap_or_else(|| subject.to_owned()),
        name: called.or(local).unwrap_or_else(|| "person".to_owned()),
        verified_email: email.filter(|_| claims.email_verified() == Some(true)),
        groups: groups(all.get(groups_claim)),
        claims: all.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect(),
    })
}

/// Everything that a verified token says.
fn payload(token: &CoreIdToken) -> BTreeMap<String, Value> {
    let text = token.to_string();
    let bytes = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Groups stand in a list, or are one text. Keycloak writes their paths, with a slash before them, unless it is told not to.
fn groups(claim: Option<&Value>) -> BTreeSet<String> {
    let named = |name: &str| name.trim_start_matches('/').to_owned();
    match claim {
        Some(Value::Array(names)) => names.iter().take(MOST_GROUPS).filter_map(Value::as_str).map(named).collect(),
        Some(Value::String(name)) => [named(name)].into(),
        _ => BTreeSet::new(),
    }
}

/// What the provider tells of itself: its addresses and its keys.
async fn metadata(provider: &Provider) -> Result<Arc<CoreProviderMetadata>, ExternalError> {
    let now = provider.clock.steady();
    let told = provider.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((_, metadata)) = told.filter(|(at, _)| now.saturating_duration_since(*at) < BELIEVED) {
        return Ok(metadata);
    }
    let issuer = IssuerUrl::new(provider.issuer().to_owned()).map_err(|error| provider.unreached(&error))?;
    let metadata = CoreProviderMetadata::discover_async(issuer, &provider.asker).await;
    let metadata = Arc::new(metadata.map_err(|error| undiscovered(provider, error))?);
    // Into whose hands people are sent is as important as who is asked.
    if !provider.settings.kind.is_local() && metadata.authorization_endpoint().url().scheme() != "https" {
        return Err(provider.untrusted(&"its page for logins is not reached by https"));
    }
    *provider.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&metadata)));
    Ok(metadata)
}

fn undiscovered(provider: &Provider, error: DiscoveryError<AskError>) -> ExternalError {
    match error {
        DiscoveryError::Request(error) => provider.unreached(&error),
        DiscoveryError::Parse(error) => {
            provider.unreached(&format!("what it tells of itself cannot be read ({error})"))
        }
        other => provider.unreached(&other),
    }
}

fn client(provider: &Provider, metadata: &CoreProviderMetadata) -> Result<Client, ExternalError> {
    let settings = &provider.settings;
    let (id, secret) = (ClientId::new(settings.client_id.clone()), settings.client_secret.reveal().to_owned());
    let back = RedirectUrl::new(provider.back.clone()).map_err(|error| provider.unreached(&error))?;
    let ways = metadata.token_endpoint_auth_methods_supported();
    let is_known = |way: &CoreClientAuthMethod| ways.is_some_and(|ways| ways.contains(way));
    // Who says nothing takes the secret in a header.
    let in_body =
        is_known(&CoreClientAuthMethod::ClientSecretPost) && !is_known(&CoreClientAuthMethod::ClientSecretBasic);
    Ok(CoreClient::from_provider_metadata(metadata.clone(), id, Some(ClientSecret::new(secret)))
        .set_auth_type(if in_body { AuthType::RequestBody } else { AuthType::BasicAuth })
        .set_redirect_uri(back))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use openidconnect::{
        JsonWebKeyId, JsonWebKeySet, PrivateSigningKey as _,
        core::{CoreEdDsaPrivateSigningKey, CoreHmacKey},
    };
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example.com/realms/main";
    const NOW: i64 = 1_790_000_000;

    /// A key of the provider (RFC 8410, section 7), by 32 bytes that nobody could guess elsewhere.
    fn key(byte: u8) -> CoreEdDsaPrivateSigningKey {
        let mut der = vec![0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        der.extend([byte; 32]);
        let kind = "PRIVATE KEY";
        let pem = format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der));
        CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(JsonWebKeyId::new("one".to_owned()))).unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "sub": "f3a1", "aud": "slipway", "exp": NOW + 300, "iat": NOW, "nonce": "n",
            "email": "ana@example.com", "email_verified": true, "preferred_username": "ana", "hd": "example.com",
            "groups": ["/staff", "deployers", 7],
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn signed(algorithm: &str, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({"alg": algorithm, "kid": "one"})), part(claims));
        let signature = sign(text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn by(key: &CoreEdDsaPrivateSigningKey, claims: &Value) -> String {
        signed("EdDSA", claims, |text| key.sign(&CoreJwsSigningAlgorithm::EdDsa, text).unwrap())
    }

    /// What comes of a token at a provider that has `key(1)`.
    fn read_at(token: &str, now: i64) -> Result<Identity, String> {
        let token: CoreIdToken = token.parse().map_err(|error: serde_json::Error| error.to_string())?;
        let keys = JsonWebKeySet::new(vec![key(1).as_verification_key()]);
        let verifier = CoreIdTokenVerifier::new_confidential_client(
            ClientId::new("slipway".to_owned()),
            ClientSecret::new("hunter2".to_owned()),
            IssuerUrl::new(ISSUER.to_owned()).unwrap(),
            keys,
        );
        read(&token, verifier, &Nonce::new("n".to_owned()), now * 1_000, "groups").map_err(|error| error.to_string())
    }

    fn read_now(token: &str) -> Result<Identity, String> {
        read_at(token, NOW)
    }

    #[test]
    fn a_token_says_who_somebody_is() {
        let ana = read_now(&by(&key(1), &claims())).unwrap();
        assert_eq!((ana.issuer.as_str(), ana.subject.as_str(), ana.name.as_str()), (ISSUER, "f3a1", "ana"));
        assert_eq!(ana.verified_email.as_deref(), Some("ana@example.com"));
        assert_eq!(ana.groups, ["deployers", "staff"].map(str::to_owned).into());
        assert_eq!(ana.claims["hd"], "example.com");
        for unverified in [json!(false), Value::Null] {
            let ana = read_now(&by(&key(1), &with("email_verified", unverified))).unwrap();
            assert_eq!((ana.verified_email, ana.shown.as_str()), (None, "ana@example.com"));
        }
    }

    #[test]
    fn a_token_that_is_not_for_this_login_proves_nothing() {
        for (claim, value, said) in [
            ("iss", json!("https://id.example.com/realms/other"), "Invalid issuer"),
            ("aud", json!("another"), "Invalid audiences"),
            ("aud", json!(["slipway", "another"]), "Invalid audiences"),
            ("nonce", json!("m"), "Invalid nonce"),
            ("nonce", Value::Null, "Invalid nonce"),
            ("exp", json!(NOW), "Expired"),
        ] {
            let refused = read_now(&by(&key(1), &with(claim, value.clone()))).unwrap_err();
            assert!(refused.contains(said), "{claim} = {value}: {refused}");
        }
        assert!(read_at(&by(&key(1), &claims()), NOW + 299).is_ok());
        assert!(read_at(&by(&key(1), &claims()), NOW + 300).unwrap_err().contains("Expired"));
    }

    #[test]
    fn a_token_that_its_issuer_did_not_sign_proves_nothing() {
        let other = read_now(&by(&key(2), &claims())).unwrap_err();
        assert!(other.contains("Signature verification failed"), "{other}");
        let secret = CoreHmacKey::new("hunter2");
        let by_secret =
            signed("HS256", &claims(), |text| secret.sign(&CoreJwsSigningAlgorithm::HmacSha256, text).unwrap());
        let genuine = by(&key(1), &claims());
        let (head, rest) = genuine.split_once('.').unwrap();
        let (_, signature) = rest.rsplit_once('.').unwrap();
        let changed = with("sub", json!("somebody-else")).to_string();
        let changed = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(changed));
        for forged in [by_secret, signed("none", &claims(), |_| Vec::new()), changed] {
            assert!(read_now(&forged).is_err(), "{forged}");
        }
    }

    #[test]
    fn groups_are_a_list_or_a_text() {
        assert_eq!(groups(Some(&json!("staff"))), ["staff".to_owned()].into());
        assert_eq!(groups(Some(&json!({"staff": true}))), BTreeSet::new());
        assert_eq!(groups(None), BTreeSet::new());
    }
}
