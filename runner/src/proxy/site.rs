//! What a route answers for: a host name, or what lies under a path of it.

use serde_json::{Value, json};

/// A host name with the path that requests begin with, as in `shop.example.com/api`; with an empty one, all of the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site<'a> {
    pub(crate) host: &'a str,
    /// Without a slash at its end.
    pub(crate) path: &'a str,
}

impl<'a> Site<'a> {
    /// Reads `host` or `host/path`.
    pub(crate) fn of(written: &'a str) -> Self {
        let (host, path) = written.split_at(written.find('/').unwrap_or(written.len()));
        Site { host, path }
    }

    /// What Caddy compares requests with (<https://caddyserver.com/docs/json/apps/http/servers/routes/match/path/>): a path
    /// ends where a segment does.
    pub(super) fn matcher(self) -> Value {
        match self.path {
            "" => json!({"host": [self.host]}),
            path => json!({"host": [self.host], "path": [path, format!("{path}/*")]}),
        }
    }

    /// Reads back what [`Site::matcher`] wrote.
    pub(super) fn read(matcher: &Value) -> Option<String> {
        let host = matcher["host"][0].as_str()?;
        Some(format!("{host}{}", matcher["path"][0].as_str().unwrap_or_default()))
    }
}

/// Whether two sites are one: Caddy makes no difference between small and capital letters, neither in hosts nor in paths.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::{Site, is_same};

    #[test]
    fn a_site_reads_back_as_it_was_written() {
        for written in ["a.test", "a.test/api", "a.test/api/v2"] {
            assert_eq!(Site::read(&Site::of(written).matcher()).as_deref(), Some(written));
        }
        assert_eq!(Site::of("a.test/api"), Site { host: "a.test", path: "/api" });
    }

    #[test]
    fn a_path_of_a_host_is_another_site_than_the_host() {
        assert!(is_same("A.test/API", "a.test/api"));
        assert!(!is_same("a.test", "a.test/api") && !is_same("a.test/ap", "a.test/api"));
    }
}
