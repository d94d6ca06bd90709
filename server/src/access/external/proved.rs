//! An account elsewhere that somebody proved to have who is logged in here: sealed in the form that asks once more.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::Identity;
use crate::{
    ids::UserId,
    secrets::{Place, Sealer, Secret},
};

/// How long it is taken, in milliseconds: 10 minutes.
const LASTS_MS: i64 = 10 * 60 * 1000;

/// An account elsewhere, and who proved to have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Proved {
    issuer: String,
    subject: String,
    shown: String,
    user: String,
    at: i64,
}

impl Proved {
    /// What was proved by somebody at `now` (unix milliseconds).
    #[must_use]
    pub fn new(identity: Identity, user: &UserId, now: i64) -> Self {
        let Identity { issuer, subject, shown, .. } = identity;
        Proved { issuer, subject, shown, user: user.as_str().to_owned(), at: now }
    }

    /// Who says who it is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its id there.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What it is called there.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it was proved by this person, not long before `now`.
    #[must_use]
    pub fn is_of(&self, user: &UserId, now: i64) -> bool {
        self.user == user.as_str() && (0..LASTS_MS).contains(&(now - self.at))
    }

    /// As it lies in a form.
    #[must_use]
    pub fn seal(&self, sealer: &Sealer, provider: &str) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(sealer.seal(Place::proved_login(provider), &Secret::new(text)))
    }

    /// What was sealed for a provider; none of anything else.
    #[must_use]
    pub fn open(sealer: &Sealer, provider: &str, sealed: &str) -> Option<Self> {
        let opened = sealer.open(Place::proved_login(provider), &URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()?;
        serde_json::from_str(opened.reveal()).ok()
    }
}
