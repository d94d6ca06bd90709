//! Caddy's JSON for Slipway's servers and their routes (<https://caddyserver.com/docs/json/>).

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Canary, Claim, ProxyConfig, Route, SwitchConfig,
    lanes::{self, Sockets},
    order::FALLBACK,
    site::Site,
};

/// How long Caddy looks for a container that answers before it gives up on a request. Round robin may lead one request to
/// the same silent container several times in a row while others take the turns in between.
const TRY_FOR: &str = "5s";
const TRY_AGAIN_AFTER: &str = "100ms";
/// Who was answered before this had looked for all of that time, in milliseconds.
const CUT_SHORT_MS: f64 = 4_900.0;
/// How long a container may take to accept a connection: one that is gone does not refuse it, it is silent.
const CONNECT_WITHIN: &str = "500ms";
/// What may be sent to another container when one ended in the middle of it: requests that change nothing (RFC 9110,
/// section 9.2.1). One that no container has accepted may be sent again whatever it is.
const SAFE_METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
/// After so many failures within this time a container is passed over while others are there. A few count for nothing: else a
/// single address that an app cannot bear would take the app away from everybody.
const FAILURES: u32 = 5;
const FAILURES_WITHIN: &str = "2s";
/// The same for the edge looking for the switch: long enough for a restart of it.
const TRY_SWITCH_FOR: &str = "5s";
const TRY_SWITCH_AGAIN_AFTER: &str = "50ms";

/// The header by which the switch says that an answer is its own, and no container's; nobody else sees it.
const OWN_ANSWER: &str = "Slipway-Own-Answer";
/// How often the edge asks the switch again for an answer.
const ASK_AGAIN: u32 = 2;

/// The keys of the variables in which a route tells whose it is and, where it takes lanes, whom these lead to. Nothing reads
/// them but [`parse_route`].
const OWNER: &str = "slipway_owner";
const STABLE: &str = "slipway_stable";
const CANARY: &str = "slipway_canary";

/// Who asks the Caddy that has a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clients {
    /// People.
    Direct,
    /// The edge, which tells the address of those who asked it.
    BehindEdge,
}

/// The server where people's requests arrive.
pub(super) fn edge_server(config: &ProxyConfig) -> Value {
    let mut server = json!({
        "listen": config.served_addresses(),
        // Certificates are fetched only for a server that is reachable as their issuers expect.
        "automatic_https": {"disable": !config.encrypted()},
        "routes": [match &config.switch {
            Some(switch) if !config.encrypted() => fallback(&pass_on(&switch.socket)),
            _ => unknown_host(),
        }],
    });
    if config.switch.is_some() {
        let sorry = sentence(503, "The releases cannot be reached at the moment.");
        server["errors"] = json!({"routes": [{"handle": [sorry]}]});
    }
    server
}

/// The server behind the edge. Where the edge knows the host names, one that is missing here is missing for a moment.
pub(super) fn switch_server(config: &ProxyConfig, switch: &SwitchConfig) -> Value {
    let last = if config.encrypted() {
        fallback(&sentence(503, "No app serves this host name at the moment."))
    } else {
        unknown_host()
    };
    json!({
        "listen": [switch.socket],
        "automatic_https": {"disable": true},
        "routes": [last],
        "errors": own_answers(),
    })
}

/// Marks what no container has answered, for the edge.
pub(super) fn own_answers() -> Value {
    let answer = json!({
        "handler": "static_response",
        "status_code": "{http.error.status_code}",
        "headers": {OWN_ANSWER: ["yes"]},
    });
    json!({"routes": [{"handle": [answer]}]})
}

fn unknown_host() -> Value {
    fallback(&sentence(404, "No app is released under this host name."))
}

/// What is answered where no route of an app is asked for.
fn fallback(handler: &Value) -> Value {
    json!({"@id": FALLBACK, "handle": [handler]})
}

fn sentence(status: u16, text: &str) -> Value {
    json!({
        "handler": "static_response",
        "status_code": status,
        "headers": {"Content-Type": ["text/plain; charset=utf-8"]},
        "body": format!("{text}\n"),
    })
}

/// Hands a request to the switch on a connection of its own, so that none ever waits there when the switch changes.
///
/// A request that the switch was still looking for a container for is given up by it when it changes (Caddy 2.6,
/// `LoadBalancing.tryAgain`): where nothing is done twice by it, it is asked again, and finds the switch as it is now.
fn pass_on(socket: &str) -> Value {
    asked_again(socket, ASK_AGAIN)
}

fn asked_again(socket: &str, times: u32) -> Value {
    let mut handler = json!({
        "handler": "reverse_proxy",
        "upstreams": [{"dial": socket}],
        "transport": {"protocol": "http", "keep_alive": {"enabled": false}},
        "load_balancing": {"try_duration": TRY_SWITCH_FOR, "try_interval": TRY_SWITCH_AGAIN_AFTER},
        "headers": {"response": {"delete": [OWN_ANSWER]}},
    });
    if times > 0 {
        let cut_short = format!("{{http.reverse_proxy.upstream.latency_ms}} < {CUT_SHORT_MS:.1}");
        let again = json!({
            "match": [{"method": SAFE_METHODS, "expression": cut_short}],
            "handle": [asked_again(socket, times - 1)],
            "terminal": true,
        });
        let as_it_is = json!({"handle": [{"handler": "copy_response"}]});
        handler["handle_response"] = json!([{
            "match": {"headers": {OWN_ANSWER: ["*"]}},
            "routes": [again, as_it_is],
        }]);
    }
    handler
}

/// A route of the edge: its sites, all passed on to the switch.
pub(super) fn entry(id: &str, route: &Route, socket: &str) -> Value {
    json!({
        "@id": id,
        "match": matcher(route),
        "handle": [owner(route), pass_on(socket)],
        "terminal": true,
    })
}

/// Any of a route's sites. Each host name of the edge's is one that Caddy has a certificate for.
fn matcher(route: &Route) -> Value {
    route.hosts.iter().map(|host| Site::of(host).matcher()).collect()
}

/// A matcher that nothing matches: the negation of the one that everything does.
fn never() -> Value {
    json!([{"not": [{}]}])
}

/// A route to containers as one object, replaced as a whole.
///
/// Caddy counts the open requests of those addresses only that its configuration names, so that the draining ones
/// stay in it behind a matcher that nothing matches.
pub(super) fn route(id: &str, route: &Route, clients: Clients, sockets: &Sockets) -> Value {
    let mut inner = Vec::new();
    if route.serves() {
        let proxy = if route.takes_lanes() {
            between_lanes(&lanes::turns(route, sockets), clients)
        } else {
            reverse_proxy(&route.upstreams, clients)
        };
        inner.push(json!({"handle": [proxy], "terminal": true}));
    }
    if !route.draining.is_empty() {
        inner.push(json!({"match": never(), "handle": [reverse_proxy(&route.draining, clients)]}));
    }
    let matcher = if route.serves() { matcher(route) } else { never() };
    json!({
        "@id": id,
        "match": matcher,
        "handle": [facts(route), {"handler": "subroute", "routes": inner}],
        "terminal": true,
    })
}

fn owner(route: &Route) -> Value {
    json!({"handler": "vars", OWNER: route.owner})
}

fn facts(route: &Route) -> Value {
    let mut facts = owner(route);
    if route.takes_lanes() {
        facts[STABLE] = json!(route.upstreams);
    }
    if let Some(canary) = &route.canary {
        facts[CANARY] = json!(canary);
    }
    facts
}

/// The server of one lane of a divided route: what it is told of the clients is what the route was told.
pub(super) fn lane(socket: &str, upstreams: &[String]) -> Value {
    lanes::server(socket, &reverse_proxy(upstreams, Clients::BehindEdge))
}

/// Hands each request to the lane whose turn it is, on a connection of its own, so that none waits there when the lane
/// changes.
fn between_lanes(turns: &[String], clients: Clients) -> Value {
    let mut handler = balance(turns, clients);
    handler["transport"] = json!({"protocol": "http", "keep_alive": {"enabled": false}});
    handler
}

fn reverse_proxy(upstreams: &[String], clients: Clients) -> Value {
    let mut handler = balance(upstreams, clients);
    handler["transport"] = json!({"protocol": "http", "dial_timeout": CONNECT_WITHIN});
    if upstreams.len() > 1 {
        handler["health_checks"] = json!({"passive": {"max_fails": FAILURES, "fail_duration": FAILURES_WITHIN}});
    }
    handler
}

fn balance(upstreams: &[String], clients: Clients) -> Value {
    let dials: Vec<Value> = upstreams.iter().map(|address| json!({"dial": address})).collect();
    let mut handler = json!({
        "handler": "reverse_proxy",
        "upstreams": dials,
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            "try_duration": TRY_FOR,
            "try_interval": TRY_AGAIN_AFTER,
            "retry_match": [{"method": SAFE_METHODS}],
        },
    });
    if clients == Clients::Direct {
        // A lane marks what no container has answered, too.
        handler["headers"] = json!({"response": {"delete": [OWN_ANSWER]}});
    }
    if clients == Clients::BehindEdge {
        // Caddy drops what a peer without an address tells of its clients. The edge has checked these, and it is the only
        // one that reaches the socket.
        let told = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"];
        let headers = told.map(|name| (name.to_owned(), json!([format!("{{http.request.header.{name}}}")])));
        handler["headers"] = json!({"request": {"set": serde_json::Map::from_iter(headers)}});
    }
    handler
}

/// Reads back what [`route`] wrote. What somebody else made of it counts as empty, and is then overwritten.
pub(super) fn parse_route(document: &Value) -> Route {
    let handler = |name: &str| {
        let handlers = document["handle"].as_array().into_iter().flatten();
        handlers.into_iter().find(|handler| handler["handler"] == name).unwrap_or(&Value::Null)
    };
    let mut found = Route {
        owner: handler("vars")[OWNER].as_str().unwrap_or_default().to_owned(),
        hosts: document["match"].as_array().into_iter().flatten().filter_map(Site::read).collect(),
        ..Route::default()
    };
    for inner in handler("subroute")["routes"].as_array().into_iter().flatten() {
        let dials = texts(&inner["handle"][0]["upstreams"], |upstream| upstream["dial"].as_str());
        if inner.get("match").is_some() { found.draining = dials } else { found.upstreams = dials }
    }
    let facts = handler("vars");
    found.canary = facts.get(CANARY).and_then(|canary| Canary::deserialize(canary).ok());
    if let Some(stable) = facts.get(STABLE) {
        found.upstreams = texts(stable, Value::as_str);
        found.counted = found.canary.is_none();
    }
    found
}

/// The sites of a route or an entry; none of what has no name, and of the last route.
pub(super) fn parse_claim(document: &Value) -> Option<Claim> {
    let Route { owner, hosts, .. } = parse_route(document);
    let id = document["@id"].as_str().filter(|id| *id != FALLBACK)?.to_owned();
    Some(Claim { id, owner, hosts })
}

fn texts(list: &Value, text: impl Fn(&Value) -> Option<&str>) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(text).map(str::to_owned).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use serde_json::json;

    use super::{
        Canary, Clients, ProxyConfig, Route, Sockets, SwitchConfig, edge_server, entry, parse_claim, parse_route,
        route, switch_server,
    };

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|&item| item.to_owned()).collect()
    }

    fn pair(listen: &[&str]) -> (ProxyConfig, SwitchConfig) {
        let switch = SwitchConfig {
            admin: "http://127.0.0.1:2020".parse().unwrap(),
            socket: "unix//run/slipway/switch.sock".to_owned(),
        };
        let admin = "http://127.0.0.1:2019".parse().unwrap();
        (ProxyConfig { admin, listen: texts(listen), switch: Some(switch.clone()) }, switch)
    }

    #[test]
    fn a_route_reads_back_as_it_was_written() {
        for (hosts, upstreams, draining) in [
            (texts(&["a.test", "b.test/api"]), texts(&["10.0.0.2:80"]), vec![]),
            (texts(&["a.test"]), texts(&["10.0.0.2:80"]), texts(&["10.0.0.3:80"])),
            (vec![], vec![], texts(&["10.0.0.3:80"])),
        ] {
            let canary = Canary { share: 10, upstreams: texts(&["10.0.0.9:80"]) };
            let serves = !upstreams.is_empty();
            for (canary, counted) in [(None, false), (None, serves), (Some(canary).filter(|_| serves), false)] {
                let owner = "web in dev of acme/shop".to_owned();
                let (hosts, upstreams, draining) = (hosts.clone(), upstreams.clone(), draining.clone());
                let wanted = Route { owner, hosts, upstreams, draining, canary, counted };
                for clients in [Clients::Direct, Clients::BehindEdge] {
                    assert_eq!(parse_route(&route("slipway-x-web", &wanted, clients, &Sockets::default())), wanted);
                }
            }
        }
    }

    #[test]
    fn an_entry_tells_whose_its_hosts_are() {
        let wanted = Route { owner: "web in dev of a/b".to_owned(), hosts: texts(&["a.test"]), ..Route::default() };
        let claim = parse_claim(&entry("slipway-x-web", &wanted, "unix//s")).unwrap();
        assert_eq!((claim.id.as_str(), claim.owner, claim.hosts), ("slipway-x-web", wanted.owner, wanted.hosts));
    }

    #[test]
    fn a_route_without_upstreams_never_takes_a_request() {
        let without = Route { hosts: texts(&["a.test"]), ..Route::default() };
        let document = route("x", &without, Clients::Direct, &Sockets::default());
        assert_eq!(document["match"], json!([{"not": [{}]}]));
        assert_eq!(document["handle"][1]["routes"], json!([]));
    }

    #[test]
    fn a_silent_container_is_passed_over_where_there_are_others() {
        let handler = |upstreams: &[&str]| {
            let wanted = Route { hosts: texts(&["a.test"]), upstreams: texts(upstreams), ..Route::default() };
            let document = route("x", &wanted, Clients::Direct, &Sockets::default());
            document["handle"][1]["routes"][0]["handle"][0].clone()
        };
        let several = handler(&["10.0.0.2:80", "10.0.0.3:80"]);
        assert_eq!(several["health_checks"]["passive"], json!({"max_fails": 5, "fail_duration": "2s"}));
        assert_eq!(several["load_balancing"]["retry_match"], json!([{"method": ["GET", "HEAD", "OPTIONS"]}]));
        assert_eq!(handler(&["10.0.0.2:80"]).get("health_checks"), None, "the only one is tried again and again");
    }

    #[test]
    fn what_somebody_else_wrote_counts_as_empty() {
        assert_eq!(parse_route(&json!({"@id": "x", "handle": "nonsense"})), Route::default());
        assert_eq!(parse_claim(&json!({"match": [{"host": ["theirs.test"]}]})), None);
    }

    #[test]
    fn an_edge_that_needs_no_certificates_passes_everything_on_and_the_switch_knows_what_is_unknown() {
        let (config, switch) = pair(&[":80"]);
        let edge = edge_server(&config);
        assert_eq!(edge["routes"][0]["handle"][0]["upstreams"], json!([{"dial": switch.socket}]));
        assert_eq!(edge["routes"][0]["handle"][0]["transport"]["keep_alive"], json!({"enabled": false}));
        assert_eq!(switch_server(&config, &switch)["routes"][0]["handle"][0]["status_code"], 404);
        let mut handler = &edge["routes"][0]["handle"][0];
        for _ in 0..2 {
            handler = &handler["handle_response"][0]["routes"][0]["handle"][0];
        }
        assert_eq!(handler["upstreams"], json!([{"dial": switch.socket}]), "it is asked twice more");
        assert_eq!(handler.get("handle_response"), None);
    }

    #[test]
    fn an_edge_with_certificates_knows_the_host_names_and_the_switch_is_sorry_for_those_it_misses() {
        let (config, switch) = pair(&[":80", ":443"]);
        let edge = edge_server(&config);
        assert_eq!(edge["listen"], json!([":443"]));
        assert_eq!(edge["automatic_https"], json!({"disable": false}));
        assert_eq!(edge["routes"][0]["handle"][0]["status_code"], 404);
        assert_eq!(switch_server(&config, &switch)["routes"][0]["handle"][0]["status_code"], 503);
    }
}
