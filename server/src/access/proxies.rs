//! Whom a request comes from where a proxy hands it on: what the proxy says of it counts, and nobody else's word.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// What a proxy adds whom it was asked by to, at the end.
const FORWARDED: &str = "x-forwarded-for";
/// The most addresses that are looked at; no way leads through more proxies.
const MOST: usize = 20;

/// The proxies whose word counts on whom a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// What is no address of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It is neither an address nor a network.
    #[error("expected an address such as 10.0.0.7 or ::1, or a network such as 10.0.0.0/8")]
    Unreadable,
    /// It is every address.
    #[error("it holds every address, so that everybody could say whom they are: name the network of the proxy alone")]
    Everybody,
    /// It is an IPv4 address as IPv6 writes it, as which no address is compared.
    #[error("it is an IPv4 address in the clothes of IPv6: write it as IPv4, such as 10.0.0.7")]
    Mapped,
}

impl TrustedProxies {
    /// Trusts these as well: an address, or a network such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// When it is neither, or everybody.
    pub fn with(mut self, text: &str) -> Result<Self, ProxyError> {
        let text = text.trim();
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network = network.map_err(|_| ProxyError::Unreadable)?;
        if network.prefix_len() == 0 {
            return Err(ProxyError::Everybody);
        }
        if matches!(network, IpNet::V6(network) if network.addr().to_ipv4_mapped().is_some()) {
            return Err(ProxyError::Mapped);
        }
        self.0.push(network);
        Ok(self)
    }

    /// Whom a request comes from that `peer` sends: the last who is no trusted proxy. Where what is said of it cannot be read,
    /// it is the peer.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let lines = headers.get_all(FORWARDED).iter().rev();
        let said = lines.flat_map(|line| line.to_str().unwrap_or("unreadable").rsplit(','));
        let mut furthest = peer;
        for said in said.take(MOST) {
            let Some(address) = address(said) else { return peer };
            furthest = address;
            if !self.trusts(address) {
                break;
            }
        }
        furthest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address as proxies write it: some add the port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text,
    };
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = TrustedProxies::default().with("10.0.0.0/8").and_then(|some| some.with("::1")).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED, line.parse().unwrap());
        }
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_who_is_no_trusted_proxy_counts() {
        assert_eq!(client("10.0.0.1", &["203.0.113.7"]), "203.0.113.7");
        assert_eq!(client("::1", &["203.0.113.7, 10.2.3.4"]), "203.0.113.7");
        assert_eq!(client("::ffff:10.0.0.1", &["2001:db8::7"]), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["203.0.113.7:4711"]), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["10.9.9.9, 10.2.3.4"]), "10.9.9.9", "it comes from within");
    }

    #[test]
    fn what_a_stranger_writes_counts_for_nothing() {
        assert_eq!(client("203.0.113.9", &["127.0.0.1"]), "203.0.113.9", "no proxy sent it");
        assert_eq!(client("10.0.0.1", &["127.0.0.1, 203.0.113.9"]), "203.0.113.9", "what stands before is theirs");
        assert_eq!(client("10.0.0.1", &["127.0.0.1", "203.0.113.9"]), "203.0.113.9", "so do lines before");
        for odd in
            ["", "unknown", "203.0.113.9, _hidden", "203.0.113.9,", "1.2.3.4.5", "[::1", "\u{7f}x", "a, 10.1.1.1"]
        {
            let mut headers = HeaderMap::new();
            let Ok(value) = axum::http::HeaderValue::from_bytes(odd.as_bytes()) else { continue };
            headers.append(FORWARDED, value);
            let trusted = TrustedProxies::default().with("10.0.0.0/8").unwrap();
            assert_eq!(trusted.client("10.0.0.1".parse().unwrap(), &headers).to_string(), "10.0.0.1", "{odd:?}");
        }
        let long = vec!["10.1.1.1"; 5_000].join(",");
        assert_eq!(client("10.0.0.1", &[&long]), "10.1.1.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn nobody_trusts_everybody_by_mistake() {
        let refused = |text: &str| TrustedProxies::default().with(text).unwrap_err();
        assert_eq!(refused("0.0.0.0/0"), ProxyError::Everybody);
        assert_eq!(refused("::/0"), ProxyError::Everybody);
        assert_eq!(refused("proxy.example.com"), ProxyError::Unreadable);
        assert_eq!(refused("::ffff:10.0.0.7"), ProxyError::Mapped);
        assert_eq!(refused("::ffff:0.0.0.0/96"), ProxyError::Mapped);
        assert_eq!(
            TrustedProxies::default().client("10.0.0.1".parse().unwrap(), &HeaderMap::new()).to_string(),
            "10.0.0.1"
        );
    }
}
