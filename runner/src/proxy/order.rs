//! The order of a server's routes: Caddy takes the first that fits.

use serde_json::Value;

use super::{document::parse_route, site::Site};

/// The name of the route that answers what no other one wants.
pub(super) const FALLBACK: &str = "slipway-fallback";

/// The routes with this one in its place, and without the one of its name that stood.
pub(super) fn with(routes: Vec<Value>, wanted: &Value) -> Vec<Value> {
    let mut routes: Vec<Value> = routes.into_iter().filter(|route| route["@id"] != wanted["@id"]).collect();
    let place = routes.iter().position(|route| depth(route) <= depth(wanted)).unwrap_or(routes.len());
    routes.insert(place, wanted.clone());
    routes
}

/// The routes with this one as the last, where only what no other one wants arrives.
pub(super) fn with_fallback(routes: Vec<Value>, fallback: &Value) -> Vec<Value> {
    // Earlier versions gave it no name.
    let is_last =
        |route: &Value| route["@id"] == fallback["@id"] || (route.get("@id").is_none() && route.get("match").is_none());
    let mut routes: Vec<Value> = routes.into_iter().filter(|route| !is_last(route)).collect();
    routes.push(fallback.clone());
    routes
}

/// How much of a path a route asks for: the one that asks for more comes first. The fallback comes after all others.
fn depth(route: &Value) -> Option<usize> {
    (route["@id"] != FALLBACK)
        .then(|| parse_route(route).hosts.iter().map(|host| Site::of(host).path.len()).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{FALLBACK, with, with_fallback};

    fn route(id: &str, path: &str) -> Value {
        let matcher = if path.is_empty() {
            json!({"host": ["a.test"]})
        } else {
            json!({"host": ["a.test"], "path": [path, format!("{path}/*")]})
        };
        json!({"@id": id, "match": [matcher]})
    }

    fn ids(routes: &[Value]) -> Vec<&str> {
        routes.iter().filter_map(|route| route["@id"].as_str()).collect()
    }

    #[test]
    fn whoever_asks_for_more_of_the_path_comes_first_and_the_fallback_last() {
        let mut routes = with_fallback(Vec::new(), &json!({"@id": FALLBACK}));
        for (id, path) in [("root", ""), ("deep", "/api/v2"), ("api", "/api"), ("other", "")] {
            routes = with(routes, &route(id, path));
        }
        assert_eq!(ids(&routes), ["deep", "api", "other", "root", FALLBACK]);
        routes = with(routes, &route("deep", ""));
        assert_eq!(
            ids(&routes),
            ["api", "deep", "other", "root", FALLBACK],
            "one that asks for less than before moves"
        );
    }

    #[test]
    fn a_fallback_that_is_not_the_last_any_more_is_again() {
        let routes = vec![json!({"@id": FALLBACK, "old": true}), route("a", "")];
        assert_eq!(ids(&with_fallback(routes, &json!({"@id": FALLBACK}))), ["a", FALLBACK]);
    }
}
