//! The address of a request: its path in pieces and its query, in one spelling only.
//!
//! What is ambiguous is refused and not repaired, as the engine could read it in another way than this side did.

use hyper::Uri;
use url::form_urlencoded;

use super::refusal::Refusal;

/// The oldest version of the API whose meaning is judged here: before it, starting a container could still change what
/// it may do. <https://docs.docker.com/reference/api/engine/version-history/#v124-api-changes>
const OLDEST_MINOR: u32 = 24;
/// The longest path.
const PATH_LIMIT: usize = 4096;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `/v1.41`, or empty where the request names no version.
    pub(super) version: String,
    /// The path's pieces after the version.
    pub(super) pieces: Vec<String>,
    pub(super) query: Query,
}

impl Target {
    pub(super) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let path = uri.path();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '@' | '+');
        if path.len() > PATH_LIMIT || !path.chars().all(plain) {
            return Err(Refusal::bad("the path of this request has characters that no object of a step's has"));
        }
        let mut pieces = path.strip_prefix('/').unwrap_or(path).split('/').map(str::to_owned).peekable();
        let version = match pieces.next_if(|piece| is_version(piece)) {
            Some(piece) => {
                supported(&piece)?;
                format!("/{piece}")
            }
            None => String::new(),
        };
        let pieces: Vec<String> = pieces.collect();
        if pieces.iter().any(|piece| matches!(piece.as_str(), "" | "." | "..")) {
            return Err(Refusal::bad("the path of this request has empty or relative pieces"));
        }
        Ok(Target { version, pieces, query: Query::parse(uri.query().unwrap_or_default()) })
    }
}

fn is_version(piece: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.len() <= 3 && text.chars().all(|c| c.is_ascii_digit());
    piece.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(a, b)| digits(a) && digits(b))
}

fn supported(version: &str) -> Result<(), Refusal> {
    let minor = version.strip_prefix("v1.").and_then(|minor| minor.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor >= OLDEST_MINOR) {
        return Ok(());
    }
    Err(Refusal::bad(format!("version {version} of the engine's API is not served; the oldest is v1.{OLDEST_MINOR}")))
}

/// The options after the question mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        Query(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Refuses options that are not among `allowed`, unless they are empty, and those given twice.
    pub(super) fn only(mut self, allowed: &[&str]) -> Result<Self, Refusal> {
        self.0.retain(|(key, value)| allowed.contains(&key.as_str()) || !(value.is_empty() || value == "0"));
        for (at, (key, _)) in self.0.iter().enumerate() {
            if !allowed.contains(&key.as_str()) {
                return Err(Refusal::forbidden(format!("the option `{key}` of this request is not for steps")));
            }
            if self.0[..at].iter().any(|(other, _)| other == key) {
                return Err(Refusal::bad(format!("the option `{key}` is given twice")));
            }
        }
        Ok(self)
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        // As the engine reads it: everything but these is true.
        self.get(key)
            .is_some_and(|value| !matches!(value.trim().to_lowercase().as_str(), "" | "0" | "no" | "false" | "none"))
    }

    /// Takes an option out, with all of its values.
    pub(super) fn take(&mut self, key: &str) -> Vec<String> {
        let (taken, kept) = std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name == key);
        self.0 = kept;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Sets an option, in place of what it was.
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.retain(|(name, _)| name != key);
        self.0.push((key.to_owned(), value.into()));
    }

    /// Adds one more value of an option.
    pub(super) fn add(&mut self, key: &str, value: impl Into<String>) {
        self.0.push((key.to_owned(), value.into()));
    }

    /// The text for the engine.
    pub(super) fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn target(text: &str) -> Result<Target, Refusal> {
        Target::of(&text.parse().unwrap())
    }

    #[test]
    fn paths_come_in_pieces_with_and_without_a_version() {
        let target_ = target("/v1.41/containers/json?all=1&limit=2").unwrap();
        assert_eq!((target_.version.as_str(), target_.pieces.join("|").as_str()), ("/v1.41", "containers|json"));
        assert_eq!(target_.query.get("all"), Some("1"));
        assert_eq!(target("/_ping").unwrap().version, "");
        assert_eq!(target("http://docker/v1.50/info").unwrap().pieces, ["info"]);
        assert_eq!(target("/images/reg:5000/a/b@sha256:00/json").unwrap().pieces.len(), 5);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for path in [
            "/v1.41/containers/../info",
            "/v1.41/./info",
            "/v1.41//info",
            "//info",
            "/v1.41/containers/json/",
            "/v1.41/containers%2Fjson",
            "/v1.41/containers/%2e%2e/info",
            "/v1.41/images/a%00b/json",
            "/v1.41/info;x",
            "/v1.41/info\\x",
            "/v1.23/info",
            "/v0.41/info",
            "/v2.41/info",
            "/",
            "/v1.41",
            "/v1.41/",
        ] {
            let refused = match path.parse::<Uri>() {
                Ok(uri) => Target::of(&uri).is_err_and(|refusal| refusal.status == 400) || path == "/v1.41",
                Err(_) => true,
            };
            assert!(refused, "{path}");
        }
    }

    #[test]
    fn options_are_known_and_given_once() {
        let query = |text: &str| Query::parse(text);
        assert!(query("a=1&b=2").only(&["a", "b"]).is_ok());
        assert_eq!(query("a=1&checkpoint=").only(&["a"]).unwrap().encode(), "a=1");
        assert_eq!(query("a=1&checkpoint=x").only(&["a"]).unwrap_err().status, 403);
        assert_eq!(query("a=1&a=2").only(&["a"]).unwrap_err().status, 400);
        assert_eq!(query("A=1").only(&["a"]).unwrap_err().status, 403, "other letters are another option");
        assert!(query("a=True").is_true("a") && query("a=x").is_true("a") && !query("a=False").is_true("a"));
    }
}
