//! The dashboard's addresses, in one place. Names from outside are percent-encoded.

use std::fmt::Write;

/// Encodes what may not stand in a path segment or a query value (RFC 3986, unreserved characters stay).
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A repository's page; the slash between owner and name stays.
#[must_use]
pub fn repository(name: &str) -> String {
    let segments: Vec<String> = name.split('/').map(encode).collect();
    format!("/repositories/{}", segments.join("/"))
}

/// The home page with the repositories behind this one.
#[must_use]
pub fn repositories_after(name: &str) -> String {
    format!("/?after={}", encode(name))
}

/// A repository's builds of one branch.
#[must_use]
pub fn branch(repository_name: &str, branch: &str) -> String {
    format!("{}?branch={}", repository(repository_name), encode(branch))
}

/// What captain.yml asks for, as planned.
#[must_use]
pub fn plan(repository_name: &str) -> String {
    format!("{}/plan", repository(repository_name))
}

/// The picture that says how a branch's newest build went.
#[must_use]
pub fn badge(repository_name: &str) -> String {
    let segments: Vec<String> = repository_name.split('/').map(encode).collect();
    format!("/badges/{}.svg", segments.join("/"))
}

/// A build's page.
#[must_use]
pub fn build(repository_name: &str, number: i64) -> String {
    format!("{}/builds/{number}", repository(repository_name))
}

/// A build's page with the steps of one attempt; `build` is the build's page.
#[must_use]
pub fn attempt(build: &str, attempt: i64) -> String {
    format!("{build}/attempts/{attempt}")
}

/// All environments of a repository.
#[must_use]
pub fn environments(repository_name: &str) -> String {
    format!("{}/environments", repository(repository_name))
}

/// What is set for a repository.
#[must_use]
pub fn settings(repository_name: &str) -> String {
    format!("{}/settings", repository(repository_name))
}

/// From a connected repository to its first build.
#[must_use]
pub fn setup(repository_name: &str) -> String {
    format!("{}/setup", repository(repository_name))
}

/// One environment.
#[must_use]
pub fn environment(repository_name: &str, name: &str) -> String {
    format!("{}/{}", environments(repository_name), encode(name))
}

/// One container of an environment.
#[must_use]
pub fn container(repository_name: &str, environment_name: &str, container: &str) -> String {
    format!("{}/containers/{}", environment(repository_name, environment_name), encode(container))
}

/// One release of an environment.
#[must_use]
pub fn release(repository_name: &str, environment_name: &str, number: i64) -> String {
    format!("{}/releases/{number}", environment(repository_name, environment_name))
}

/// One delivery.
#[must_use]
pub fn delivery(id: &str) -> String {
    format!("/deliveries/{}", encode(id))
}

/// The log page of a step, below the page of its build or release.
#[must_use]
pub fn step(of: &str, index: u32) -> String {
    format!("{of}/steps/{index}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(super::repository("acme/shop"), "/repositories/acme/shop");
        assert_eq!(super::branch("acme/shop", "a&b=\"c/d"), "/repositories/acme/shop?branch=a%26b%3D%22c%2Fd");
        assert_eq!(super::environment("acme/shop", "../x"), "/repositories/acme/shop/environments/..%2Fx");
    }
}
