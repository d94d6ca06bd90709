//! Where a channel's messages go. An address lets whoever has it send there, so that it is kept sealed.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::{secrets::Secret, store::text::text_enum};

/// The most people that one channel writes to.
const MAX_RECIPIENTS: usize = 50;
/// Where PagerDuty takes events ("Events API v2"); accounts in the EU have another place.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

text_enum! {
    /// The kinds of channels.
    ChannelKind {
        /// A POST of JSON, signed.
        Webhook = "webhook",
        /// An incoming webhook of Slack, or of what speaks as it does (Mattermost, Rocket.Chat, Discord).
        Slack = "slack",
        /// Events of PagerDuty, which opens and resolves incidents.
        PagerDuty = "pagerduty",
        /// Mail, by the server that `[mail]` of the configuration names.
        Email = "email",
    }
}

/// Where messages go.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(rename = "ChannelAddress")]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Address {
    /// See [`ChannelKind::Webhook`].
    Webhook {
        /// Where to.
        url: Secret,
        /// What the body is signed with: `X-Slipway-Signature-256` has its HMAC-SHA256.
        #[serde(default)]
        secret: Option<Secret>,
    },
    /// See [`ChannelKind::Slack`].
    Slack {
        /// The address of the incoming webhook.
        url: Secret,
    },
    /// See [`ChannelKind::PagerDuty`].
    PagerDuty {
        /// The integration key of the service.
        routing_key: Secret,
        /// Where to; none for PagerDuty's usual place.
        #[serde(default)]
        url: Option<String>,
    },
    /// See [`ChannelKind::Email`].
    Email {
        /// Who gets it.
        to: Vec<String>,
    },
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no address of the web.
    #[error("the URL must start with https:// or http:// and name a host")]
    NoUrl,
    /// There is no key.
    #[error(
        "the integration key must have 1 to 100 letters and digits: PagerDuty shows it at the service's integrations"
    )]
    NoKey,
    /// The secret is empty.
    #[error("the secret must not be empty; leave it away to send without a signature")]
    NoSecret,
    /// Nobody gets it.
    #[error("name 1 to {MAX_RECIPIENTS} addresses, such as ops@example.com")]
    NoRecipients,
    /// This is no address of anybody.
    #[error("{0} is not an address such as ops@example.com")]
    BadRecipient(String),
    /// There is no mail server.
    #[error("mail cannot be sent: set `url` and `from` under [mail] in the server's configuration first")]
    NoMailServer,
}

impl Address {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        match self {
            Address::Webhook { .. } => ChannelKind::Webhook,
            Address::Slack { .. } => ChannelKind::Slack,
            Address::PagerDuty { .. } => ChannelKind::PagerDuty,
            Address::Email { .. } => ChannelKind::Email,
        }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// [`AddressError`] says why not.
    pub fn check(&self) -> Result<(), AddressError> {
        match self {
            Address::Webhook { secret: Some(secret), .. } if secret.reveal().is_empty() => Err(AddressError::NoSecret),
            Address::Webhook { url, .. } | Address::Slack { url } => web(url.reveal()).map(drop),
            Address::PagerDuty { routing_key, url } => {
                let key = routing_key.reveal();
                if !(1..=100).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return Err(AddressError::NoKey);
                }
                url.as_deref().map_or(Ok(()), |url| web(url).map(drop))
            }
            Address::Email { to } => {
                if !(1..=MAX_RECIPIENTS).contains(&to.len()) {
                    return Err(AddressError::NoRecipients);
                }
                match to.iter().find(|one| one.parse::<lettre::Address>().is_err()) {
                    Some(bad) => Err(AddressError::BadRecipient(bad.chars().take(100).collect())),
                    None => Ok(()),
                }
            }
        }
    }

    /// Where it leads, for people: nothing that lets anybody send there.
    #[must_use]
    pub fn target(&self) -> String {
        match self {
            Address::Webhook { url, .. } | Address::Slack { url } => host(url.reveal()),
            Address::PagerDuty { .. } => host(self.pagerduty_url()),
            Address::Email { to } => to.join(", "),
        }
    }

    /// As it is sealed.
    pub(super) fn to_text(&self) -> Secret {
        let value = match self {
            Address::Webhook { url, secret } => {
                json!({"kind": "webhook", "url": url.reveal(), "secret": secret.as_ref().map(Secret::reveal)})
            }
            Address::Slack { url } => json!({"kind": "slack", "url": url.reveal()}),
            Address::PagerDuty { routing_key, url } => {
                json!({"kind": "pagerduty", "routing_key": routing_key.reveal(), "url": url})
            }
            Address::Email { to } => json!({"kind": "email", "to": to}),
        };
        Secret::new(value.to_string())
    }

    /// What [`Address::to_text`] wrote.
    pub(super) fn of_text(text: &Secret) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text.reveal())
    }

    /// Where PagerDuty's events go; the usual place for every other kind.
    pub(super) fn pagerduty_url(&self) -> &str {
        match self {
            Address::PagerDuty { url: Some(url), .. } => url,
            _ => PAGERDUTY,
        }
    }
}

fn web(text: &str) -> Result<Url, AddressError> {
    let url = Url::parse(text).map_err(|_| AddressError::NoUrl)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(AddressError::NoUrl) }
}

fn host(text: &str) -> String {
    web(text).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_leads_nowhere_is_refused() {
        let slack = |url: &str| Address::Slack { url: Secret::new(url) }.check();
        assert_eq!(slack("https://hooks.slack.com/services/T/B/x"), Ok(()));
        for odd in ["", "hooks.slack.com", "ftp://a/b", "file:///etc/passwd"] {
            assert_eq!(slack(odd), Err(AddressError::NoUrl), "{odd}");
        }
        let mail = |to: &[&str]| Address::Email { to: to.iter().map(ToString::to_string).collect() }.check();
        assert_eq!(mail(&["ops@example.com"]), Ok(()));
        assert_eq!(mail(&[]), Err(AddressError::NoRecipients));
        for odd in ["ops", "a@b\r\nBcc: everybody@example.com"] {
            assert!(matches!(mail(&[odd]), Err(AddressError::BadRecipient(_))), "{odd}");
        }
        let pager = |key: &str| Address::PagerDuty { routing_key: Secret::new(key), url: None }.check();
        assert_eq!(
            (pager("R0123"), pager(""), pager("a b")),
            (Ok(()), Err(AddressError::NoKey), Err(AddressError::NoKey))
        );
    }

    #[test]
    fn what_is_sealed_is_what_was_given() {
        for text in [
            r#"{"kind":"webhook","secret":"s","url":"https://a"}"#,
            r#"{"kind":"slack","url":"https://a"}"#,
            r#"{"kind":"pagerduty","routing_key":"k","url":"https://a"}"#,
            r#"{"kind":"email","to":["ops@example.com"]}"#,
        ] {
            let address = Address::of_text(&Secret::new(text)).unwrap();
            let again: serde_json::Value = serde_json::from_str(address.to_text().reveal()).unwrap();
            assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
        }
    }

    #[test]
    fn what_people_see_lets_nobody_send_there() {
        let slack = Address::Slack { url: Secret::new("https://hooks.slack.com/services/T/B/geheim") };
        assert_eq!(slack.target(), "hooks.slack.com");
        assert!(!format!("{slack:?}").contains("geheim"));
        let pager = Address::PagerDuty { routing_key: Secret::new("geheim"), url: None };
        assert_eq!(pager.target(), "events.pagerduty.com");
    }
}
