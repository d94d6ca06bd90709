//! Which hosts a relay leads to, and which of their addresses.

use std::net::IpAddr;

/// The ports of an entry that names none: those of https and http.
const USUAL_PORTS: [u16; 2] = [443, 80];

/// What the operator lists.
#[derive(Debug, Default)]
pub(crate) struct Allowed(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    /// In lower case; begins with a dot where it means every name below a domain.
    host: String,
    port: Option<u16>,
}

/// `host:port` as requests and the list have it, with brackets around addresses that hold colons themselves.
pub(crate) fn divided(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = if port.is_empty() { None } else { Some(port.parse().ok().filter(|&port| port > 0)?) };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    (is_host && !host.is_empty()).then_some((host, port))
}

impl Allowed {
    /// The list as it is written: `host`, `host:port`, `*.domain`. What cannot be read allows nothing.
    pub(crate) fn of<'a>(entries: impl Iterator<Item = &'a str>) -> Self {
        let entry = |text: &str| {
            let below = text.strip_prefix('*');
            let (host, port) = divided(below.unwrap_or(text))?;
            (below.is_some() == host.starts_with('.')).then_some(Entry { host, port })
        };
        Allowed(entries.filter_map(entry).collect())
    }

    /// Whether a host may be asked for at a port.
    pub(crate) fn host(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|entry| {
            let is_meant = if entry.host.starts_with('.') { host.ends_with(&entry.host) } else { host == entry.host };
            is_meant && entry.has(port)
        })
    }

    /// Whether what an allowed name stands for may be connected to: an address of the internet, or one that is listed
    /// itself. Whoever keeps a name decides what it stands for, and may let it be the machine or its metadata service.
    pub(crate) fn address(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|entry| entry.host.parse() == Ok(address) && entry.has(port))
    }
}

impl Entry {
    fn has(&self, port: u16) -> bool {
        self.port.map_or(USUAL_PORTS.contains(&port), |own| own == port)
    }
}

/// Whether an address is of the internet at large, as far as that is told by the address:
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_of_tests = first == 198 && (18..20).contains(&second);
            let is_of_protocols = (first, second, third) == (192, 0, 0);
            !(first == 0
                || first >= 224
                || address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || is_shared
                || is_of_tests
                || is_of_protocols
                || address.is_documentation())
        }
        // 2000::/3 is what is given out. Of it, these lead to addresses of IPv4 that they hold, or are nobody's.
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            let leads_elsewhere =
                first == 0x2002 || (first == 0x2001 && second < 0x0200) || (first, second) == (0x2001, 0xdb8);
            (0x2000..0x4000).contains(&first) && !leads_elsewhere
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn allowed() -> Allowed {
        let list = [
            "Packages.example.com",
            "*.crates.example",
            "git.example.com:8443",
            "10.0.0.7:81",
            "[fd00::7]",
            "*",
            "*x",
            ".y",
        ];
        Allowed::of(list.into_iter())
    }

    #[test]
    fn hosts_are_allowed_by_name_and_port() {
        for (host, port, is_allowed) in [
            ("packages.example.com", 443, true),
            ("packages.example.com", 80, true),
            ("packages.example.com", 22, false),
            ("a.packages.example.com", 443, false),
            ("static.crates.example", 443, true),
            ("a.b.crates.example", 443, true),
            ("crates.example", 443, false),
            ("evilcrates.example", 443, false),
            ("git.example.com", 8443, true),
            ("git.example.com", 443, false),
            ("10.0.0.7", 81, true),
            ("fd00::7", 443, true),
            ("elsewhere.example", 443, false),
            ("x", 443, false),
            ("y", 443, false),
            ("a.y", 443, false),
        ] {
            assert_eq!(allowed().host(host, port), is_allowed, "{host}:{port}");
        }
    }

    #[test]
    fn names_lead_to_the_internet_or_to_what_is_listed_itself() {
        for (address, port, is_allowed) in [
            ("93.184.216.34", 443, true),
            ("2606:2800:220:1::1", 443, true),
            ("10.0.0.7", 81, true),
            ("10.0.0.7", 443, false),
            ("10.0.0.8", 81, false),
            ("::ffff:10.0.0.8", 81, false),
            ("::ffff:10.0.0.7", 81, true),
            ("fd00::7", 443, true),
            ("fd00::8", 443, false),
            ("127.0.0.1", 443, false),
            ("0.0.0.0", 443, false),
            ("169.254.169.254", 80, false),
            ("172.17.0.1", 80, false),
            ("192.168.1.1", 80, false),
            ("100.100.100.200", 80, false),
            ("224.0.0.1", 80, false),
            ("::1", 80, false),
            ("fe80::1", 80, false),
            ("64:ff9b::a9fe:a9fe", 80, false),
            ("2002:a9fe:a9fe::1", 80, false),
        ] {
            assert_eq!(allowed().address(address.parse().unwrap(), port), is_allowed, "{address}:{port}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        assert_eq!(divided("A.example.:81"), Some(("a.example".to_owned(), Some(81))));
        assert_eq!(divided("[fd00::1]:81"), Some(("fd00::1".to_owned(), Some(81))));
        for wrong in ["", ":80", "a:0", "a:x", "a:99999", "[fd00::1]x", "[fd00::1", "a b", "a/b", "user@a", "a\r\nb"] {
            assert_eq!(divided(wrong), None, "{wrong}");
        }
    }
}
