//! The providers that the configuration names.

use std::sync::{Arc, Mutex};

use openidconnect::core::CoreProviderMetadata;
use tokio::time::Instant;
use url::Url;

use super::{Attempt, Entrance, ExternalError, Identity, Purpose, asker::Asker, error::short, github, openid};
use crate::{clock::Clock, secrets::Secret};

/// The longest id of an account, in bytes (OpenID Connect Core 1.0, section 2).
const LONGEST_SUBJECT: usize = 255;

/// A provider as it is configured.
#[derive(Debug, Clone)]
pub struct LoginSettings {
    /// Its name for people.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// How it is spoken to.
    pub kind: LoginKind,
    /// What Slipway is called there.
    pub client_id: String,
    /// What proves there that Slipway asks.
    pub client_secret: Secret,
    /// Who may come in.
    pub entrance: Entrance,
}

/// How a provider is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginKind {
    /// By OpenID Connect.
    OpenId {
        /// The issuer, exactly as it calls itself.
        issuer: String,
        /// What is asked for besides who somebody is.
        scopes: Vec<String>,
        /// The claim that names what somebody belongs to.
        groups_claim: String,
    },
    /// By OAuth, and GitHub's API.
    GitHub {
        /// Where people reach it, without a slash at the end.
        web: String,
        /// Where its API is, without a slash at the end.
        api: String,
    },
}

/// A login that began: where to send the browser, and what it is to keep meanwhile.
#[derive(Debug)]
pub struct Begun {
    /// Where to send the browser.
    pub to: Url,
    /// What it is to keep.
    pub attempt: Attempt,
}

/// A provider.
pub struct Provider {
    pub(super) settings: LoginSettings,
    /// Where it sends people back to.
    pub(super) back: String,
    pub(super) asker: Asker,
    pub(super) clock: Arc<dyn Clock>,
    /// What it last told of itself, and when.
    pub(super) told: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Every provider that the configuration names, in its order.
#[derive(Debug, Default)]
pub struct Providers(Vec<Provider>);

impl Providers {
    /// The providers of a server that people reach at `base`.
    ///
    /// # Errors
    /// When the operating system's certificates cannot be read.
    pub fn new(settings: &[LoginSettings], base: &Url, clock: &Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let provider = |settings: &LoginSettings| {
            let path = format!("/login/with/{}/back", settings.slug);
            Ok(Provider {
                back: format!("{}{path}", base.as_str().trim_end_matches('/')),
                asker: Asker::new(settings.kind.is_local())?,
                clock: Arc::clone(clock),
                told: Mutex::default(),
                settings: settings.clone(),
            })
        };
        settings.iter().map(provider).collect::<Result<_, _>>().map(Providers)
    }

    /// The provider of this name in addresses.
    #[must_use]
    pub fn named(&self, slug: &str) -> Option<&Provider> {
        self.0.iter().find(|provider| provider.settings.slug == slug)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }
}

impl LoginKind {
    /// Who says who somebody is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        match self {
            LoginKind::OpenId { issuer, .. } => issuer,
            LoginKind::GitHub { web, .. } => web,
        }
    }

    /// Whether it is on this machine, where nobody listens in.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let host = Url::parse(self.issuer()).ok();
        host.and_then(|url| url.host_str().map(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]")))
            .unwrap_or_default()
    }
}

impl Provider {
    /// Its name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Its name in addresses.
    #[must_use]
    pub fn slug(&self) -> &str {
        &self.settings.slug
    }

    /// Who says who somebody is.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.settings.kind.issuer()
    }

    /// Whether its accounts are GitHub's, and so those that open pull requests there.
    #[must_use]
    pub fn is_github(&self) -> bool {
        matches!(self.settings.kind, LoginKind::GitHub { .. })
    }

    /// Who may come in.
    #[must_use]
    pub fn entrance(&self) -> &Entrance {
        &self.settings.entrance
    }

    /// Begins a login that leads to `next`, a path of this server.
    ///
    /// # Errors
    /// When the provider does not say where to go.
    pub async fn begin(&self, next: &str, purpose: Purpose) -> Result<Begun, ExternalError> {
        match &self.settings.kind {
            LoginKind::OpenId { scopes, .. } => openid::begin(self, scopes, next, purpose).await,
            LoginKind::GitHub { web, .. } => github::begin(self, web, next, purpose),
        }
    }

    /// Who came back with a code, from whoever calls itself `issuer`.
    ///
    /// # Errors
    /// When the code is not good, or what the provider says proves nothing.
    pub async fn finish(&self, attempt: &Attempt, code: &str, issuer: Option<&str>) -> Result<Identity, ExternalError> {
        let identity = match &self.settings.kind {
            // A code of another provider is not to be shown to this one (RFC 9207).
            LoginKind::OpenId { .. } if issuer.is_some_and(|issuer| issuer != self.issuer()) => {
                return Err(self.untrusted(&"the answer came from somebody else"));
            }
            LoginKind::OpenId { groups_claim, .. } => openid::finish(self, groups_claim, attempt, code).await?,
            LoginKind::GitHub { web, api } => github::finish(self, web, api, attempt, code).await?,
        };
        let is_id = (1..=LONGEST_SUBJECT).contains(&identity.subject.len());
        if !is_id || identity.subject.chars().any(char::is_control) {
            return Err(self.untrusted(&"what it names as the account's id is none"));
        }
        Ok(Identity { shown: short(&identity.shown), ..identity })
    }

    /// What it means that the provider sent somebody back with an error instead of a code (RFC 6749, section 4.1.2.1).
    #[must_use]
    pub fn said_no(&self, error: &str, description: Option<&str>) -> ExternalError {
        match (error, description) {
            ("access_denied", None) => self.refused("it was not allowed there"),
            (error, None) => self.refused(error),
            (error, Some(description)) => self.refused(&format!("{} ({})", short(description), short(error))),
        }
    }

    pub(super) fn refused(&self, reason: &str) -> ExternalError {
        ExternalError::Refused { provider: self.name().to_owned(), reason: short(reason) }
    }

    pub(super) fn unreached(&self, reason: &dyn std::fmt::Display) -> ExternalError {
        ExternalError::Unreached { provider: self.name().to_owned(), reason: short(&reason.to_string()) }
    }

    pub(super) fn untrusted(&self, reason: &dyn std::fmt::Display) -> ExternalError {
        ExternalError::Untrusted { provider: self.name().to_owned(), reason: short(&reason.to_string()) }
    }
}
