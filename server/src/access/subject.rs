//! What a route is about, by its path: it says which grants count.

use super::Verb;

/// What a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The server as a whole: only roles that hold everywhere count.
    Server,
    /// A list that shows everybody what they may see. Whoever has any role may look.
    Seen,
    /// The repository that the path names.
    Repository,
    /// The environment that the path names.
    Environment,
    /// The repository of the delivery that the path names.
    Delivery,
    /// The repository of the alert that the path names; the server's where it is of a runner.
    Alert,
    /// The repository of the step that the path names.
    Step,
    /// One's own account.
    Own,
}

/// The lists that show everybody what they may see.
const SEEN: [&str; 5] = ["/", "/jump", "/stream/home", "/api/v1/repositories", "/api/v1/overview"];

/// What below these paths is named by a parameter belongs to the server as a whole.
const OF_THE_SERVER: [&str; 17] = [
    "/alerts/channels/",
    "/runners/",
    "/settings/",
    "/api/runner/",
    "/api/v1/channels/",
    "/api/v1/forges/",
    "/api/v1/registries/",
    "/api/v1/runners/",
    "/api/v1/secrets/",
    "/api/v1/tokens/",
    "/assets/",
    "/badges/",
    "/webhooks/",
    "/api/v1/signing/",
    "/api/v1/users/",
    "/welcome/",
    "/login/with/",
];

impl Subject {
    /// What the route is about; none where its path does not tell, which then is nobody's to use.
    #[must_use]
    pub fn of(verb: Verb, path: &str) -> Option<Self> {
        if verb == Verb::Get && SEEN.contains(&path) {
            return Some(Subject::Seen);
        }
        if path == "/account" || path.starts_with("/account/") || path.starts_with("/api/v1/account/") {
            return Some(Subject::Own);
        }
        let named = |parameter: &str| path.split('/').any(|part| part == parameter);
        if named("{owner}") && named("{name}") {
            return Some(if named("{environment}") { Subject::Environment } else { Subject::Repository });
        }
        let below = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        if !path.contains('{') || below(&OF_THE_SERVER) {
            return Some(Subject::Server);
        }
        let by_id = [
            (Subject::Delivery, ["/deliveries/{id}", "/api/v1/deliveries/{id}"].as_slice()),
            (Subject::Alert, ["/alerts/{id}/", "/api/v1/alerts/{id}/"].as_slice()),
            (Subject::Step, ["/logs/{step}/"].as_slice()),
        ];
        by_id.into_iter().find(|(_, prefixes)| below(prefixes)).map(|(subject, _)| subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn every_route_says_what_it_is_about() {
        let (_, permissions) = http::routes().into_parts();
        for (verb, path, _) in permissions.iter() {
            assert!(Subject::of(verb, path).is_some(), "{verb:?} {path}: subject.rs does not know what it is about");
        }
    }

    #[test]
    fn what_is_not_known_is_nobodys() {
        assert_eq!(Subject::of(Verb::Get, "/things/{id}"), None);
        assert_eq!(Subject::of(Verb::Get, "/things/{owner}"), None);
        assert_eq!(Subject::of(Verb::Post, "/api/v1/repositories"), Some(Subject::Server));
        assert_eq!(Subject::of(Verb::Get, "/api/v1/repositories"), Some(Subject::Seen));
    }
}
