//! The keys of `[proxy]`.

use url::Url;

use super::{ConfigError, file::ProxySection, resolve::web_address};

/// The longest path that a unix socket may have, in bytes: unix(7) has 108, one of them for the end.
const SOCKET_PATH_LIMIT: usize = 107;

/// The proxy in front of the releases.
#[derive(Debug, Clone)]
pub struct ProxySettings {
    /// The address of the admin API of the Caddy that people reach; none where no proxy is to be driven.
    pub caddy_admin: Option<Url>,
    /// The second Caddy, which takes all changes.
    pub switch: Option<SwitchSettings>,
    /// Where Caddy is told to listen for the releases' traffic, as Caddy writes addresses. With one on port 443, it
    /// fetches certificates by itself.
    pub listen: Vec<String>,
}

/// The Caddy behind the one that people reach.
#[derive(Debug, Clone)]
pub struct SwitchSettings {
    /// The address of its admin API.
    pub admin: Url,
    /// The socket between the two, as Caddy writes addresses: `unix//run/slipway/switch.sock`.
    pub socket: String,
}

/// What goes over the file.
pub(super) struct Overrides {
    pub(super) caddy_admin: Option<String>,
    pub(super) switch_admin: Option<String>,
    pub(super) switch_socket: Option<String>,
    pub(super) listen: Vec<String>,
}

pub(super) fn resolve(file: ProxySection, over: Overrides) -> Result<ProxySettings, ConfigError> {
    let caddy_admin = web_address("proxy.caddy_admin", over.caddy_admin.or(file.caddy_admin))?;
    let admin = web_address("proxy.switch_admin", over.switch_admin.or(file.switch_admin))?;
    let socket = over.switch_socket.or(file.switch_socket).map(socket_address).transpose()?;
    let switch = match (admin, socket) {
        (Some(admin), Some(socket)) => Some(SwitchSettings { admin, socket }),
        (None, None) => None,
        (Some(_), None) => return Err(incomplete("proxy.switch_admin", "proxy.switch_socket")),
        (None, Some(_)) => return Err(incomplete("proxy.switch_socket", "proxy.switch_admin")),
    };
    match (&switch, &caddy_admin) {
        (Some(_), None) => return Err(incomplete("proxy.switch_admin", "proxy.caddy_admin")),
        (Some(switch), Some(edge)) if switch.admin == *edge => {
            return Err(ConfigError::Invalid {
                key: "proxy.switch_admin",
                value: edge.to_string(),
                reason: "it is proxy.caddy_admin, too; the switch is a Caddy of its own".to_owned(),
            });
        }
        _ => {}
    }
    let listen = match (over.listen, file.listen) {
        (over, _) if !over.is_empty() => over,
        (_, Some(written)) if !written.is_empty() => written,
        _ => vec![":80".to_owned()],
    };
    Ok(ProxySettings { caddy_admin, switch, listen })
}

fn incomplete(given: &'static str, missing: &'static str) -> ConfigError {
    let remedy = "proxy.caddy_admin, proxy.switch_admin and proxy.switch_socket belong together, \
                  as docs/operations.md shows under “Caddy”";
    ConfigError::Incomplete { given, missing, remedy }
}

fn socket_address(value: String) -> Result<String, ConfigError> {
    let path = value.strip_prefix("unix/").filter(|path| path.starts_with('/') && path.len() > 1);
    let reason = match path {
        None => "expected unix/ and an absolute path, such as unix//run/slipway/switch.sock".to_owned(),
        Some(path) if path.len() > SOCKET_PATH_LIMIT => {
            format!("the path of a socket has at most {SOCKET_PATH_LIMIT} bytes")
        }
        Some(_) => return Ok(value),
    };
    Err(ConfigError::Invalid { key: "proxy.switch_socket", value, reason })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    const EDGE: &str = "http://127.0.0.1:2019";
    const SWITCH: &str = "http://127.0.0.1:2020";
    const SOCKET: &str = "unix//run/slipway/switch.sock";

    fn resolved(edge: Option<&str>, admin: Option<&str>, socket: Option<&str>) -> Result<ProxySettings, String> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let file = ProxySection {
            caddy_admin: owned(edge),
            switch_admin: owned(admin),
            switch_socket: owned(socket),
            listen: None,
        };
        let over = Overrides { caddy_admin: None, switch_admin: None, switch_socket: None, listen: vec![] };
        resolve(file, over).map_err(|error| error.to_string())
    }

    #[test]
    fn a_proxy_is_one_caddy_or_two() {
        assert!(resolved(None, None, None).unwrap().caddy_admin.is_none());
        assert!(resolved(Some(EDGE), None, None).unwrap().switch.is_none());
        assert_eq!(resolved(Some(EDGE), Some(SWITCH), Some(SOCKET)).unwrap().switch.unwrap().socket, SOCKET);
    }

    #[test]
    fn what_is_missing_of_the_switch_is_named() {
        let said = |edge, admin, socket| resolved(edge, admin, socket).unwrap_err();
        let missing = said(Some(EDGE), Some(SWITCH), None);
        assert!(missing.starts_with("proxy.switch_admin is set, but proxy.switch_socket is not;"), "{missing}");
        let missing = said(Some(EDGE), None, Some(SOCKET));
        assert!(missing.starts_with("proxy.switch_socket is set, but proxy.switch_admin is not;"), "{missing}");
        let missing = said(None, Some(SWITCH), Some(SOCKET));
        assert!(missing.contains("proxy.caddy_admin is not;"), "{missing}");
        assert!(said(Some(EDGE), Some(EDGE), Some(SOCKET)).contains("a Caddy of its own"));
    }

    #[test]
    fn a_socket_is_an_absolute_path_of_bounded_length() {
        for odd in ["/run/switch.sock", "unix/switch.sock", "unix//", "127.0.0.1:80"] {
            assert!(resolved(Some(EDGE), Some(SWITCH), Some(odd)).unwrap_err().contains("such as unix//run"), "{odd}");
        }
        let long = format!("unix//{}", "x".repeat(107));
        assert!(resolved(Some(EDGE), Some(SWITCH), Some(&long)).unwrap_err().contains("at most 107 bytes"));
    }
}
