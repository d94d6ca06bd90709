//! A divided route in Caddy: its requests take one of two lanes, each a server of its own behind a socket, since Caddy
//! counts answers and their times by server. One that is only counted takes the stable lane.
//!
//! The sockets have abstract names: the Caddy that listens is the one that dials, wherever it runs. Each lane that is opened
//! gets a name that was never used before, since Caddy may hold the socket of one that was closed for a while (2.6 leaves
//! that to its garbage collection).

use serde_json::{Value, json};
use ulid::Ulid;

use super::{Route, document};

/// The two ways of a divided route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Track {
    /// To the containers that served before.
    Stable,
    /// To those that are tried.
    Canary,
}

impl Track {
    pub(super) const BOTH: [Track; 2] = [Track::Stable, Track::Canary];

    /// The name of the track's server in Caddy's configuration and metrics.
    pub(super) fn server(self, id: &str) -> String {
        format!("{id}-{}", self.word())
    }

    /// The containers that the track leads to.
    pub(super) fn upstreams(self, route: &Route) -> &[String] {
        match (self, &route.canary) {
            (Track::Stable, _) => &route.upstreams,
            (Track::Canary, Some(canary)) => &canary.upstreams,
            (Track::Canary, None) => &[],
        }
    }

    fn word(self) -> &'static str {
        match self {
            Track::Stable => "stable",
            Track::Canary => "canary",
        }
    }
}

/// A track's server, which hands every request to one of its containers.
pub(super) fn server(socket: &str, proxy: &Value) -> Value {
    json!({
        "listen": [socket],
        "automatic_https": {"disable": true},
        "metrics": {},
        "routes": [{"handle": [proxy]}],
        "errors": document::own_answers(),
    })
}

/// Where the servers of both tracks listen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sockets {
    pub(super) stable: String,
    pub(super) canary: String,
}

/// A name for a socket that was never used before.
pub(super) fn new_socket() -> String {
    format!("unix/@slipway-{}", Ulid::generate())
}

/// Where a server listens, if it is a track's.
pub(super) fn socket_of(server: &Value) -> Option<String> {
    server["listen"][0].as_str().map(str::to_owned)
}

/// The sockets that requests go to in turn, so that `share` of a hundred take the canary's, evenly spread.
pub(super) fn turns(route: &Route, sockets: &Sockets) -> Vec<String> {
    let share = match (&route.canary, route.upstreams.is_empty()) {
        (None, _) => 0,
        (Some(canary), _) if canary.upstreams.is_empty() => 0,
        (Some(_), true) => 100,
        (Some(canary), false) => u32::from(canary.share.min(100)),
    };
    let shortest = gcd(share, 100);
    let (canaries, all) = (share / shortest, 100 / shortest);
    let before = |turn: u32| turn * canaries / all;
    let socket = |turn: u32| if before(turn + 1) > before(turn) { &sockets.canary } else { &sockets.stable };
    (0..all).map(|turn| socket(turn).clone()).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if a == 0 { b } else { gcd(b % a, a) }
}

#[cfg(test)]
mod tests {
    use super::{Sockets, new_socket, turns};
    use crate::proxy::{Canary, Route};

    fn route(share: u8, stable: &[&str], canary: &[&str]) -> Route {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Route { upstreams: owned(stable), canary: Some(Canary { share, upstreams: owned(canary) }), ..Route::default() }
    }

    /// The turns, true for the canary's.
    fn pattern(route: &Route) -> Vec<bool> {
        let sockets = Sockets { stable: "stable".to_owned(), canary: "canary".to_owned() };
        turns(route, &sockets).iter().map(|turn| turn == "canary").collect()
    }

    fn canaries(route: &Route) -> (usize, usize) {
        let pattern = pattern(route);
        (pattern.iter().filter(|is_canary| **is_canary).count(), pattern.len())
    }

    #[test]
    fn a_share_of_the_turns_is_the_canarys() {
        for (share, wanted) in
            [(10, (1, 10)), (50, (1, 2)), (33, (33, 100)), (1, (1, 100)), (100, (1, 1)), (75, (3, 4))]
        {
            assert_eq!(canaries(&route(share, &["a"], &["b"])), wanted, "{share} %");
        }
    }

    #[test]
    fn a_track_without_containers_gets_no_turn() {
        assert_eq!(canaries(&route(10, &[], &["b"])), (1, 1));
        assert_eq!(canaries(&route(10, &["a"], &[])), (0, 1));
    }

    #[test]
    fn what_is_only_counted_takes_the_stable_track() {
        let counted = Route { canary: None, counted: true, ..route(0, &["a"], &[]) };
        assert_eq!(canaries(&counted), (0, 1));
    }

    #[test]
    fn the_turns_of_a_canary_are_spread() {
        assert_eq!(pattern(&route(40, &["a"], &["b"])), [false, false, true, false, true]);
    }

    #[test]
    fn no_socket_is_used_twice_and_its_name_fits() {
        let socket = new_socket();
        assert_ne!(socket, new_socket());
        assert!(socket.len() < 100, "{socket}");
    }
}
