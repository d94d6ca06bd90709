//! Credentials for forges: made, changed, and found for a repository.

use serde_json::json;
use url::{Host, Url};

use super::{github, read};
use crate::{
    events::NewEvent,
    secrets::{LoginScope, OpenError, Place, Sealer, Secret},
    store::{
        JsonText, StoreError, Tx,
        forge_credentials::{self, SealedCredential},
        text::text_enum,
    },
};

/// The longest name, in characters.
const LONGEST: usize = 50;
/// The longest token or key, in bytes; an RSA key of 8192 bits has less.
const LARGEST_SECRET: usize = 16 * 1024;

text_enum! {
    /// What a credential is.
    CredentialKind {
        /// A personal access token.
        Token = "token",
        /// A GitHub App, which is given a token for each repository.
        App = "app",
    }
}

/// What a forge is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A personal access token.
    Token(Secret),
    /// A GitHub App.
    App {
        /// Its client id, or its number.
        id: String,
        /// Its private key, as PEM.
        key: Secret,
    },
}

/// A credential as somebody wants it.
#[derive(Debug, Clone)]
pub struct NewCredential {
    /// Its name.
    pub name: String,
    /// What it is.
    pub credential: Credential,
    /// Where the forge's API is, such as `https://api.github.com`.
    pub api: String,
    /// For which repositories it is.
    pub scope: LoginScope,
    /// Whether they are fetched with it as well; none leaves that as it is.
    pub fetches: Option<bool>,
}

/// Why a credential cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Its name is none.
    #[error("a forge's name has 1 to {LONGEST} letters, digits, dots, dashes and underscores")]
    BadName,
    /// The address is none that a secret may be sent to.
    #[error(
        "the address of the API must be https://HOST or https://HOST/PATH, without a login, a query or a fragment (http:// \
         on this machine alone), such as https://api.github.com or https://github.example.com/api/v3"
    )]
    BadApi,
    /// The token cannot be one.
    #[error("a token is one word of at most {LARGEST_SECRET} characters")]
    BadToken,
    /// The App's id cannot be one.
    #[error("an App is named by its client id, such as Iv23liABCDEF, or by its number: see its settings at GitHub")]
    BadApp,
    /// The App's key cannot be read.
    #[error("the App's key cannot be used: {0}; give the .pem file that GitHub made for the App")]
    BadKey(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Credential {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match self {
            Credential::Token(_) => CredentialKind::Token,
            Credential::App { .. } => CredentialKind::App,
        }
    }

    fn secret(&self) -> &Secret {
        match self {
            Credential::Token(secret) | Credential::App { key: secret, .. } => secret,
        }
    }

    fn app(&self) -> Option<&str> {
        match self {
            Credential::Token(_) => None,
            Credential::App { id, .. } => Some(id),
        }
    }

    fn check(&self) -> Result<(), CredentialError> {
        let text = self.secret().reveal();
        match self {
            Credential::Token(_) => {
                let is_word =
                    !text.is_empty() && text.len() <= LARGEST_SECRET && text.bytes().all(|b| b.is_ascii_graphic());
                if is_word { Ok(()) } else { Err(CredentialError::BadToken) }
            }
            Credential::App { id, key } => {
                let is_id = (1..=100).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
                if !is_id {
                    return Err(CredentialError::BadApp);
                }
                if text.len() > LARGEST_SECRET {
                    return Err(CredentialError::BadKey("it is too long".to_owned()));
                }
                github::check_key(key).map_err(CredentialError::BadKey)
            }
        }
    }
}

impl SealedCredential {
    /// The credential itself.
    ///
    /// # Errors
    /// When it was sealed with another key.
    pub(crate) fn open(&self, sealer: &Sealer) -> Result<Credential, OpenError> {
        Ok(self.opened(sealer.open(Place::forge_credential(&self.name), &self.secret)?))
    }

    /// The credential whose secret was opened already.
    pub(crate) fn opened(&self, secret: Secret) -> Credential {
        match (self.kind, &self.app) {
            (CredentialKind::App, Some(id)) => Credential::App { id: id.clone(), key: secret },
            _ => Credential::Token(secret),
        }
    }
}

/// Sets a credential, and has what its repositories built lately reported with it.
///
/// # Errors
/// [`CredentialError`] says what is wrong with it.
pub async fn set_credential(
    tx: &mut Tx,
    sealer: &Sealer,
    new: &NewCredential,
) -> Result<SealedCredential, CredentialError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !(1..=LONGEST).contains(&new.name.len()) || !new.name.chars().all(is_name) {
        return Err(CredentialError::BadName);
    }
    new.credential.check()?;
    let fetches = match new.fetches {
        Some(fetches) => fetches,
        None => {
            let known = forge_credentials::list(&mut tx.conn()).await?;
            known.iter().any(|known| known.name == new.name && known.is_to_fetch())
        }
    };
    let sealed = SealedCredential {
        name: new.name.clone(),
        kind: new.credential.kind(),
        api: api_address(&new.api).ok_or(CredentialError::BadApi)?,
        app: new.credential.app().map(str::to_owned),
        secret: sealer.seal(Place::forge_credential(&new.name), new.credential.secret()),
        repositories: new.scope.patterns().map(|patterns| JsonText(patterns.to_vec())),
        resting_until: 0,
        fetches: i64::from(fetches),
        updated_at: tx.now(),
    };
    forge_credentials::put(tx, &sealed).await?;
    read::lately(tx, &sealed).await?;
    // Wakes the courier.
    tx.emit(NewEvent::new("forge.set").with("name", json!(sealed.name)));
    Ok(sealed)
}

/// Removes a credential; tells whether there was one.
///
/// # Errors
/// When the database fails.
pub async fn remove_credential(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    forge_credentials::remove(tx, name).await
}

/// The credential for a repository: of those that are for it the one with the longest pattern, so that a closer one goes
/// before one for all.
pub(crate) fn for_repository<'a>(
    all: impl IntoIterator<Item = &'a SealedCredential>,
    repository: &str,
) -> Option<&'a SealedCredential> {
    let closeness = |credential: &SealedCredential| match credential.scope() {
        LoginScope::Every => 0,
        LoginScope::Named(patterns) => patterns
            .iter()
            .filter(|pattern| LoginScope::Named(vec![(*pattern).clone()]).holds(repository))
            .map(String::len)
            .max()
            .unwrap_or(0),
    };
    let held = all.into_iter().filter(|credential| credential.scope().holds(repository));
    held.max_by_key(|credential| closeness(credential))
}

/// The address without a slash at its end; none where a secret must not be sent there.
fn api_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && text.len() <= 1_000;
    (is_safe && is_plain).then(|| url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(name: &str, patterns: Option<&[&str]>) -> SealedCredential {
        let patterns = patterns.map(|patterns| patterns.iter().map(|pattern| (*pattern).to_owned()).collect());
        SealedCredential {
            name: name.to_owned(),
            kind: CredentialKind::Token,
            api: "https://api.github.com".to_owned(),
            app: None,
            secret: Vec::new(),
            repositories: patterns.map(JsonText),
            resting_until: 0,
            fetches: 0,
            updated_at: 0,
        }
    }

    #[test]
    fn the_closest_credential_is_taken() {
        let all = [
            credential("one", Some(&["acme/*"])),
            credential("all", None),
            credential("two", Some(&["x/y", "acme/shop"])),
        ];
        let found = |repository| for_repository(&all, repository).map(|credential| credential.name.as_str());
        assert_eq!([found("acme/shop"), found("acme/other"), found("b/c")], [Some("two"), Some("one"), Some("all")]);
        assert_eq!(for_repository(&all[..1], "b/c"), None);
    }

    #[test]
    fn secrets_go_to_no_address_where_others_could_read_them() {
        for (text, address) in [
            ("https://api.github.com/", Some("https://api.github.com")),
            ("https://github.example.com/api/v3", Some("https://github.example.com/api/v3")),
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("http://github.example.com/api/v3", None),
            ("http://localhost.example.com", None),
            ("https://ada:pw@api.github.com", None),
            ("https://api.github.com?x=1", None),
            ("file:///etc/passwd", None),
            ("api.github.com", None),
        ] {
            assert_eq!(api_address(text).as_deref(), address, "{text}");
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        for odd in ["", "two words", "ghp_é", "a\nb"] {
            assert!(matches!(Credential::Token(Secret::new(odd)).check(), Err(CredentialError::BadToken)), "{odd}");
        }
        assert!(Credential::Token(Secret::new("ghp_1234")).check().is_ok());
        let app = |id: &str| Credential::App { id: id.to_owned(), key: Secret::new("x") }.check();
        assert!(matches!(app("a b"), Err(CredentialError::BadApp)));
        assert!(matches!(app("Iv1.abc"), Err(CredentialError::BadKey(_))));
    }
}
