//! How to reach the proxy's Caddys, and what they shall listen on.

use url::Url;

/// The proxy of a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// The admin API of the Caddy that people's requests arrive at, such as `http://127.0.0.1:2019`.
    pub admin: Url,
    /// Addresses in Caddy's form, such as `:443` or `127.0.0.1:8080`. With one on port 443, Caddy fetches certificates
    /// and redirects HTTP by itself.
    pub listen: Vec<String>,
    /// The second Caddy, which takes the changes of every rollout; without it the first one does, and may lose requests.
    pub switch: Option<SwitchConfig>,
}

/// The Caddy behind the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchConfig {
    /// Its admin API, such as `http://127.0.0.1:2020`.
    pub admin: Url,
    /// The socket between the two in Caddy's form, such as `unix//run/slipway/switch.sock`.
    pub socket: String,
}

impl ProxyConfig {
    /// Whether people are served by HTTPS, which needs the host names where they arrive.
    pub(super) fn encrypted(&self) -> bool {
        self.listen.iter().any(|address| port(address) == Some("443"))
    }

    /// The addresses Slipway's server itself listens on. Where it serves HTTPS, port 80 is left to Caddy, which answers
    /// certificate challenges there and sends everyone else to HTTPS.
    pub(super) fn served_addresses(&self) -> Vec<String> {
        let encrypted = self.encrypted();
        self.listen.iter().filter(|address| !(encrypted && port(address) == Some("80"))).cloned().collect()
    }
}

fn port(address: &str) -> Option<&str> {
    address.rsplit_once(':').map(|(_, port)| port)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::ProxyConfig;

    fn listening(listen: &[&str]) -> ProxyConfig {
        let listen = listen.iter().map(|&address| address.to_owned()).collect();
        ProxyConfig { admin: "http://127.0.0.1:2019".parse().unwrap(), listen, switch: None }
    }

    #[test]
    fn https_is_automatic_only_where_port_443_is_served() {
        assert!(!listening(&[":80"]).encrypted());
        assert!(!listening(&["127.0.0.1:8080"]).encrypted());
        assert!(listening(&[":80", ":443"]).encrypted());
        assert_eq!(listening(&[":80", ":443"]).served_addresses(), [":443"]);
        assert_eq!(listening(&[":80"]).served_addresses(), [":80"]);
    }
}
