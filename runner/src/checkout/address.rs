//! Which addresses are fetched from, and how they are shown.

use url::Url;

use super::CheckoutError;

/// An address that may be fetched from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CloneAddress {
    full: String,
    shown: String,
}

impl CloneAddress {
    /// Allows git, http, https and ssh, also in ssh's short form `user@host:path`. A path of this machine is not an
    /// address: with one, a registration could read what the runner can read.
    pub(super) fn parse(text: &str) -> Result<Self, CheckoutError> {
        let refused = |why: &str| CheckoutError::Address { address: redacted(text), why: why.to_owned() };
        if !text.contains("://") {
            return if is_short_ssh(text) {
                Ok(CloneAddress { full: text.to_owned(), shown: text.to_owned() })
            } else {
                Err(refused("it must begin with https://, ssh://, http:// or git://"))
            };
        }
        let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
        if !matches!(url.scheme(), "git" | "http" | "https" | "ssh") {
            return Err(refused("only https, ssh, http and git are fetched from"));
        }
        if url.host_str().is_none_or(|host| host.starts_with('-')) {
            return Err(refused("it names no host"));
        }
        Ok(CloneAddress { full: text.to_owned(), shown: redacted(text) })
    }

    /// The address with everything in it.
    pub(super) fn full(&self) -> &str {
        &self.full
    }

    /// The address as people may see it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

impl std::fmt::Debug for CloneAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// `user@host:path` with nothing in it that a shell or an option parser would take for something else.
fn is_short_ssh(text: &str) -> bool {
    let Some((host, path)) = text.split_once(':') else { return false };
    let Some((user, host)) = host.split_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    plain(user) && plain(host) && !path.is_empty() && !path.contains(char::is_whitespace)
}

/// The address without what may be a secret: forges take tokens as the password, and also as the user name.
fn redacted(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            let cleared = url.set_password(None).is_ok() && (url.scheme() == "ssh" || url.set_username("").is_ok());
            if cleared { url.to_string() } else { "(an address with a login)".to_owned() }
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn the_usual_addresses_are_allowed() {
        for text in [
            "https://github.com/shop/web.git",
            "http://127.0.0.1:8080/shop.git",
            "git://127.0.0.1:9418/shop",
            "ssh://git@github.com/shop/web.git",
            "git@github.com:shop/web.git",
        ] {
            assert_eq!(CloneAddress::parse(text).unwrap().full(), text);
        }
    }

    #[test]
    fn paths_of_this_machine_and_helpers_are_not() {
        for text in ["file:///srv/git/x", "/srv/git/x", "../x", "ext::sh -c id", "ext://x", "-u@host:path", "C:\\x"] {
            assert!(matches!(CloneAddress::parse(text), Err(CheckoutError::Address { .. })), "{text}");
        }
    }

    #[test]
    fn logins_are_not_shown() {
        let address = CloneAddress::parse("https://x-token:s3cret@example.com/a.git").unwrap();
        assert_eq!(address.shown(), "https://example.com/a.git");
        assert_eq!(format!("{address:?}"), "https://example.com/a.git");
        assert_eq!(CloneAddress::parse("https://s3cret@example.com/a").unwrap().shown(), "https://example.com/a");
        assert_eq!(CloneAddress::parse("ssh://git@example.com/a").unwrap().shown(), "ssh://git@example.com/a");
    }
}
