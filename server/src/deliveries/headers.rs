//! Which headers of a delivery are kept, to find out by what it was sent and for which hook.

use std::collections::BTreeMap;

use axum::http::HeaderMap;

/// Their names, as people write them. What proves a right (signatures, `Authorization`, cookies), and what only proxies add, is
/// not among them.
const KEPT: &[&str] = &[
    "Accept",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "X-GitHub-Delivery",
    "X-GitHub-Enterprise-Host",
    "X-GitHub-Enterprise-Version",
    "X-GitHub-Event",
    "X-GitHub-Hook-ID",
    "X-GitHub-Hook-Installation-Target-ID",
    "X-GitHub-Hook-Installation-Target-Type",
];
/// The longest value that is kept, in bytes; what is longer is no forge's.
const VALUE_BYTES: usize = 200;

/// What of the headers is kept, by name.
#[must_use]
pub fn kept(headers: &HeaderMap) -> BTreeMap<String, String> {
    let value = |name: &str| headers.get(name)?.to_str().ok().filter(|value| value.len() <= VALUE_BYTES);
    KEPT.iter().filter_map(|name| Some(((*name).to_owned(), value(name)?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

    use super::*;

    #[test]
    fn what_says_who_sent_it_is_kept_and_what_proves_it_is_not() {
        let long = "x".repeat(201);
        let sent = [
            ("user-agent", "GitHub-Hookshot/1"),
            ("x-github-event", "push"),
            ("x-hub-signature-256", "sha256=00"),
            ("authorization", "Bearer t"),
            ("cookie", "session=s"),
            ("accept", &long),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.insert(name, value.parse().unwrap());
        }
        headers.insert("x-github-hook-id", axum::http::HeaderValue::from_bytes(b"\xff").unwrap());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("User-Agent", "GitHub-Hookshot/1"), pair("X-GitHub-Event", "push")];
        assert_eq!(kept(&headers), BTreeMap::from(expected));
    }
}
