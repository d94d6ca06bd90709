//! Pages of the forge, from the address that a repository is fetched from.

use slipway_web::links;

/// The page of a pull request that shows what it changes; none where the address tells no page.
#[must_use]
pub fn difference(clone_url: &str, pull_request: i64) -> Option<String> {
    let (host, path) = match clone_url.strip_prefix("https://") {
        Some(rest) => rest.split_once('/')?,
        None => clone_url.strip_prefix("git@")?.split_once(':')?,
    };
    let (owner, name) = path.trim_end_matches('/').trim_end_matches(".git").split_once('/')?;
    let is_host = host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c));
    is_host
        .then(|| format!("https://{host}/{}/{}/pull/{pull_request}/files", links::encode(owner), links::encode(name)))
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn a_pull_request_is_found_from_either_address() {
        let page = Some("https://github.com/acme/shop/pull/7/files".to_owned());
        assert_eq!(difference("https://github.com/acme/shop.git", 7), page);
        assert_eq!(difference("git@github.com:acme/shop.git", 7), page);
        assert_eq!(difference("git://git.example.com/acme/shop", 7), None);
        assert_eq!(difference("https://a b/acme/shop", 7), None);
    }
}
