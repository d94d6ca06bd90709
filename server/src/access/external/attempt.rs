//! A login under way: what is known of it lies sealed in the browser that began it, so that no other can end it.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    access::token,
    ids::UserId,
    secrets::{Place, Sealer, Secret},
};

/// How long a login may take, in milliseconds: 10 minutes.
const LASTS_MS: i64 = 10 * 60 * 1000;
/// The longest address that is gone back to afterwards: the whole has to fit a cookie.
const LONGEST_NEXT: usize = 1000;

/// A login under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// What the provider sends back, and nobody else knows.
    state: String,
    /// What the provider's token must hold; empty where there is none.
    pub(super) nonce: String,
    /// What proves to the provider that whoever began ends it (RFC 7636).
    pub(super) verifier: String,
    /// Where to go afterwards; a path of this server.
    pub next: String,
    /// What it is for.
    pub purpose: Purpose,
    /// When it began, in unix milliseconds.
    begun_at: i64,
}

/// What a login elsewhere is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To log in.
    LogIn,
    /// To be able to log in with it from now on as the person with this id.
    Connect(UserId),
}

impl Attempt {
    pub(super) fn new(state: &str, nonce: &str, verifier: &str, next: &str, purpose: Purpose, now: i64) -> Self {
        let next = if next.len() > LONGEST_NEXT { "/" } else { next };
        Attempt {
            state: state.to_owned(),
            nonce: nonce.to_owned(),
            verifier: verifier.to_owned(),
            next: next.to_owned(),
            purpose,
            begun_at: now,
        }
    }

    /// Whether it is this one that the provider answers, at `now` (unix milliseconds). Compared are digests, so that the time
    /// that it takes tells nothing.
    #[must_use]
    pub fn is_answered_by(&self, state: &str, now: i64) -> bool {
        (0..LASTS_MS).contains(&(now - self.begun_at)) && token::hash(state) == token::hash(&self.state)
    }
}

/// The cookie that holds a login under way.
#[derive(Debug, Clone, Copy)]
pub struct AttemptCookie {
    secure: bool,
}

impl AttemptCookie {
    /// The cookie of a server that is reached by https (`secure`) or not.
    #[must_use]
    pub fn new(secure: bool) -> Self {
        AttemptCookie { secure }
    }

    fn name(self) -> &'static str {
        if self.secure { "__Host-slipway-login" } else { "slipway-login" }
    }

    /// The header that gives it to the browser, sealed for a provider.
    #[must_use]
    pub fn set(self, sealer: &Sealer, provider: &str, attempt: &Attempt) -> HeaderValue {
        let text = serde_json::to_string(attempt).unwrap_or_default();
        let sealed = sealer.seal(Place::login(provider), &Secret::new(text));
        self.header(&URL_SAFE_NO_PAD.encode(sealed), LASTS_MS / 1000)
    }

    /// The header that takes it away.
    #[must_use]
    pub fn clear(self) -> HeaderValue {
        self.header("", 0)
    }

    /// The login under way with a provider, in the browser that sends these headers.
    #[must_use]
    pub fn read(self, sealer: &Sealer, provider: &str, headers: &HeaderMap) -> Option<Attempt> {
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.into_iter().find(|(name, _)| *name == self.name())?;
        let opened = sealer.open(Place::login(provider), &URL_SAFE_NO_PAD.decode(value).ok()?).ok()?;
        serde_json::from_str(opened.reveal()).ok()
    }

    /// Lax, as the browser comes back from another site.
    fn header(self, value: &str, max_age: i64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", self.name());
        let mut header = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;
    use crate::secrets::SecretKey;

    fn attempt() -> Attempt {
        Attempt::new("state", "nonce", "verifier", "/shop/web", Purpose::LogIn, 1_000)
    }

    fn sent_back(set: &HeaderValue) -> HeaderMap {
        let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
        HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())])
    }

    #[test]
    fn lies_sealed_in_one_browser_for_one_provider() {
        let (sealer, other) = (Sealer::new(&SecretKey::random().unwrap()), Sealer::new(&SecretKey::random().unwrap()));
        let cookie = AttemptCookie::new(true);
        let set = cookie.set(&sealer, "company", &attempt());
        let text = set.to_str().unwrap();
        assert!(
            text.starts_with("__Host-slipway-login=") && text.ends_with("; HttpOnly; SameSite=Lax; Secure"),
            "{text}"
        );
        assert!(!text.contains("verifier") && text.len() < 4096);
        assert_eq!(cookie.read(&sealer, "company", &sent_back(&set)).unwrap().next, "/shop/web");
        assert!(cookie.read(&sealer, "github", &sent_back(&set)).is_none(), "it is of another provider");
        assert!(cookie.read(&other, "company", &sent_back(&set)).is_none(), "it was not made here");
        assert!(AttemptCookie::new(false).read(&sealer, "company", &sent_back(&set)).is_none());
    }

    #[test]
    fn is_answered_once_in_time_and_by_its_own_state() {
        assert!(attempt().is_answered_by("state", 1_000 + LASTS_MS - 1));
        for (state, now) in [("stat", 2_000), ("", 2_000), ("state", 1_000 + LASTS_MS), ("state", 999)] {
            assert!(!attempt().is_answered_by(state, now), "{state} {now}");
        }
        let long = Attempt::new("s", "n", "v", &"/x".repeat(600), Purpose::LogIn, 0);
        assert_eq!(long.next, "/", "it would not fit");
    }
}
