//! Where a server is, checked before a token is sent there.

use url::{Host, Url};

/// The address of a server to which a token may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress(Url);

/// Why an address is none to send a token to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no address of a server.
    #[error("“{0}” is no server's address: https://HOST was expected, with neither user nor query")]
    NoServer(String),
    /// The token would be readable on its way.
    #[error(
        "{0} is not encrypted: everyone on the way could read the token and the secrets of builds. Use https, or say \
         --allow-plain-http where the network between is trusted"
    )]
    Plain(Url),
    /// No address was given.
    #[error("no server is named; say --server URL")]
    None,
    /// The process cannot make connections.
    #[error("cannot make connections: {0}")]
    NoClient(String),
}

impl ServerAddress {
    /// Checks an address: `https`, or `http` to this machine itself; to others only where `allow_plain` says so.
    ///
    /// # Errors
    /// When it is none, or the token would be readable on its way.
    pub fn check(text: &str, allow_plain: bool) -> Result<Self, AddressError> {
        let wrong = || AddressError::NoServer(text.chars().take(200).collect());
        let mut url = Url::parse(text).map_err(|_| wrong())?;
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(wrong()),
        };
        let bare = url.username().is_empty() && url.password().is_none();
        let Some(host) = url.host().filter(|_| bare && url.query().is_none() && url.fragment().is_none()) else {
            return Err(wrong());
        };
        if plain && !allow_plain && !is_this_machine(&host) {
            return Err(AddressError::Plain(url));
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(ServerAddress(url))
    }

    /// The address of a runner's route.
    pub(super) fn route(&self, path: &str) -> String {
        format!("{}api/runner/v1/{path}", self.0)
    }
}

impl std::fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_encrypted_or_not_at_all() {
        for good in ["https://slipway.example", "http://127.0.0.1:7878", "http://[::1]:7878", "http://localhost/"] {
            assert!(ServerAddress::check(good, false).is_ok(), "{good}");
        }
        let plain = ServerAddress::check("http://10.0.0.1:7878", false).unwrap_err();
        assert!(plain.to_string().contains("--allow-plain-http"), "{plain}");
        assert!(ServerAddress::check("http://10.0.0.1:7878", true).is_ok());
        for odd in ["slipway.example", "ftp://slipway.example", "https://me:pw@slipway.example", "https://a/?b", ""] {
            assert!(matches!(ServerAddress::check(odd, true), Err(AddressError::NoServer(_))), "{odd}");
        }
    }

    #[test]
    fn a_server_may_live_below_a_path() {
        let address = ServerAddress::check("https://a.example/slipway", false).unwrap();
        assert_eq!(address.route("claim"), "https://a.example/slipway/api/runner/v1/claim");
    }
}
