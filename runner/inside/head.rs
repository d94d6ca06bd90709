//! What a client asks a relay for.

use crate::allow::divided;

/// A request as far as a relay must know it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What the host is told first; nothing where the client speaks with it by itself.
    pub(crate) forward: Option<Vec<u8>>,
}

/// Reads the head of a request: `CONNECT host:port`, or a method with a whole `http://` address.
pub(crate) fn asked(head: &str) -> Option<Asked> {
    let (line, fields) = head.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !version.starts_with("HTTP/1.") {
        return None;
    }
    if method == "CONNECT" {
        let (host, port) = divided(target)?;
        return Some(Asked { host, port: port?, forward: None });
    }
    let rest = target.strip_prefix("http://")?;
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = divided(authority)?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut forward = format!("{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for field in fields.split("\r\n").filter(|field| !field.is_empty()) {
        let name = field.split(':').next().unwrap_or_default().to_ascii_lowercase();
        // One answer for each connection: who asks next is looked at anew.
        if !matches!(name.as_str(), "host" | "connection" | "keep-alive" | "upgrade") && !name.starts_with("proxy-") {
            forward.push_str(field);
            forward.push_str("\r\n");
        }
    }
    forward.push_str("\r\n");
    Some(Asked { host, port: port.unwrap_or(80), forward: Some(forward.into_bytes()) })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn two_forms_are_understood() {
        let tunnel = asked("CONNECT Packages.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(tunnel, Asked { host: "packages.example.com".to_owned(), port: 443, forward: None });
        let plain = "GET http://a.example:81/x?y HTTP/1.1\r\nhost: b.example\r\nAccept: */*\r\nProxy-Authorization: z\r\nconnection: keep-alive\r\n\r\n";
        let plain = asked(plain).unwrap();
        assert_eq!((plain.host.as_str(), plain.port), ("a.example", 81));
        let told = "GET /x?y HTTP/1.1\r\nHost: a.example:81\r\nConnection: close\r\nAccept: */*\r\n\r\n";
        assert_eq!(String::from_utf8(plain.forward.unwrap()).unwrap(), told);
        let bare = asked("GET http://a.example?q HTTP/1.0\r\n\r\n").unwrap();
        assert!(bare.forward.unwrap().starts_with(b"GET /?q HTTP/1.1\r\nHost: a.example\r\n"));
    }

    #[test]
    fn all_else_is_not() {
        for wrong in [
            "",
            "GET / HTTP/1.1\r\n\r\n",
            "GET https://a.example/ HTTP/1.1\r\n\r\n",
            "GET http://user@a.example/ HTTP/1.1\r\n\r\n",
            "GET http:///x HTTP/1.1\r\n\r\n",
            "CONNECT a.example HTTP/1.1\r\n\r\n",
            "CONNECT a.example:443 HTTP/2\r\n\r\n",
            "CONNECT  a.example:443 HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
    }
}
