//! The keys of `[mail]`.

use super::ConfigError;
use crate::{
    notifications::{MailError, MailServer},
    secrets::Secret,
};

pub(super) fn resolve(url: Option<Secret>, from: Option<String>) -> Result<Option<MailServer>, ConfigError> {
    let remedy = "mail is sent by the one in the name of the other";
    let (url, from) = match (url, from) {
        (Some(url), Some(from)) => (url, from),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(ConfigError::Incomplete { given: "mail.url", missing: "mail.from", remedy }),
        (None, Some(_)) => return Err(ConfigError::Incomplete { given: "mail.from", missing: "mail.url", remedy }),
    };
    MailServer::new(&url, &from).map(Some).map_err(|error| match error {
        // It may hold a password.
        MailError::BadUrl => {
            ConfigError::Invalid { key: "mail.url", value: "…".to_owned(), reason: error.to_string() }
        }
        MailError::BadFrom => ConfigError::Invalid { key: "mail.from", value: from, reason: error.to_string() },
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_has_both_and_shows_no_password() {
        let resolved = |url: Option<&str>, from: Option<&str>| {
            resolve(url.map(Secret::new), from.map(str::to_owned)).map_err(|error| error.to_string())
        };
        assert!(resolved(None, None).unwrap().is_none());
        assert!(resolved(Some("smtps://u:geheim@mail.example.com"), Some("slipway@example.com")).unwrap().is_some());
        assert!(resolved(Some("smtps://mail.example.com"), None).unwrap_err().contains("mail.from is not"));
        let said = resolved(Some("pop3://u:geheim@mail.example.com"), Some("slipway@example.com")).unwrap_err();
        assert!(said.contains("smtps://") && !said.contains("geheim"), "{said}");
    }
}
