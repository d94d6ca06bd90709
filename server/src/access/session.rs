//! The dashboard's sessions: a cookie that only the browser holds, and what the rest of the world may do with it.

use axum::http::{HeaderMap, HeaderValue, Method, header};

use crate::secrets::Secret;

/// A session that was not used for this long is over, in milliseconds: 7 days.
pub const IDLE_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// A session is over after this long however much it was used, in milliseconds: 30 days.
pub const ABSOLUTE_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// How stale the time of a session's last use may be before it is written again, in milliseconds.
pub const TOUCH_MS: i64 = 60 * 1000;

/// How the session cookie is named and marked.
#[derive(Debug, Clone, Copy)]
pub struct SessionCookie {
    secure: bool,
}

impl SessionCookie {
    /// The cookie of a server that is reached by https (`secure`) or not.
    #[must_use]
    pub fn new(secure: bool) -> Self {
        SessionCookie { secure }
    }

    /// The prefix lets the browser refuse the cookie from any other host or path (RFC 6265bis, cookie name prefixes).
    fn name(self) -> &'static str {
        if self.secure { "__Host-slipway" } else { "slipway" }
    }

    /// The header that gives the browser its session.
    #[must_use]
    pub fn set(self, value: &Secret) -> HeaderValue {
        self.header(value.reveal(), ABSOLUTE_MS / 1000)
    }

    /// The header that takes the session away.
    #[must_use]
    pub fn clear(self) -> HeaderValue {
        self.header("", 0)
    }

    /// The session's value that a request carries.
    #[must_use]
    pub fn read(self, headers: &HeaderMap) -> Option<Secret> {
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        all.flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == self.name() && !value.is_empty())
            .map(|(_, value)| Secret::new(value))
    }

    fn header(self, value: &str, max_age: i64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}", self.name());
        let mut header = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
        header.set_sensitive(true);
        header
    }
}

/// Whether a session that was made and last used then (unix milliseconds) still holds.
#[must_use]
pub fn is_alive(created_at: i64, last_seen_at: i64, now: i64) -> bool {
    now - last_seen_at < IDLE_MS && now - created_at < ABSOLUTE_MS
}

/// Whether a request that may change something came from this site's own pages.
///
/// Browsers say where a request came from, in `Sec-Fetch-Site` or, on plain http, in `Origin`, and no page can make
/// them say otherwise. A change by cookie that says neither is refused too: programs use tokens.
#[must_use]
pub fn is_same_site(method: &Method, headers: &HeaderMap) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else { return false };
    origin.split_once("://").is_some_and(|(_, authority)| authority == host)
}

/// Where to go after the login: an address within this server, whatever was asked for.
#[must_use]
pub fn local_target(asked: Option<&str>) -> &str {
    match asked {
        Some(path)
            if path.starts_with('/')
                && !path.starts_with("//")
                && !path.contains('\\')
                && path.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            path
        }
        _ => "/",
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_cookie_is_out_of_reach_for_scripts_and_other_sites() {
        let set = SessionCookie::new(true).set(&Secret::new("abc"));
        assert_eq!(set, "__Host-slipway=abc; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure");
        let plain = SessionCookie::new(false);
        assert_eq!(plain.clear(), "slipway=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        let read = plain.read(&headers(&[("cookie", "theme=dark; slipway=abc")])).unwrap();
        assert_eq!(read.reveal(), "abc");
        assert!(SessionCookie::new(true).read(&headers(&[("cookie", "slipway=abc")])).is_none());
    }

    #[test]
    fn sessions_end() {
        assert!(is_alive(0, 0, IDLE_MS - 1));
        assert!(!is_alive(0, 0, IDLE_MS));
        assert!(!is_alive(0, ABSOLUTE_MS - 1, ABSOLUTE_MS));
    }

    #[test]
    fn only_own_pages_change_things() {
        let post = |pairs: &[(&'static str, &str)]| is_same_site(&Method::POST, &headers(pairs));
        assert!(post(&[("sec-fetch-site", "same-origin")]));
        assert!(!post(&[("sec-fetch-site", "same-site")]));
        assert!(!post(&[("sec-fetch-site", "cross-site"), ("origin", "http://here"), ("host", "here")]));
        assert!(post(&[("origin", "http://here:1"), ("host", "here:1")]));
        assert!(!post(&[("origin", "http://evil"), ("host", "here:1")]));
        assert!(!post(&[("origin", "null"), ("host", "here:1")]));
        assert!(!post(&[("host", "here:1")]));
        assert!(is_same_site(&Method::GET, &headers(&[("sec-fetch-site", "cross-site")])));
    }

    #[test]
    fn redirects_stay_here() {
        assert_eq!(local_target(Some("/shop/web/builds/3?step=1")), "/shop/web/builds/3?step=1");
        for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x", "", "x"] {
            assert_eq!(local_target(Some(elsewhere)), "/", "{elsewhere}");
        }
        assert_eq!(local_target(None), "/");
    }
}
