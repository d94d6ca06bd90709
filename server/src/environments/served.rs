//! Where what is released is reached.

/// Where a domain, or a path of it, is reached, given where the proxy listens, such as `:80` and `127.0.0.1:8080`.
#[must_use]
pub fn served_at(domain: &str, proxy: &[String]) -> String {
    let (host, path) = domain.split_at(domain.find('/').unwrap_or(domain.len()));
    let ports: Vec<&str> = proxy.iter().filter_map(|listen| Some(listen.rsplit_once(':')?.1)).collect();
    if ports.contains(&"443") {
        return format!("https://{host}{path}");
    }
    match ports.first() {
        Some(port) if !ports.contains(&"80") => format!("http://{host}:{port}{path}"),
        _ => format!("http://{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::served_at;

    #[test]
    fn a_domain_is_reached_where_the_proxy_listens() {
        let at =
            |listen: &[&str]| served_at("shop.test", &listen.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(at(&[":80"]), "http://shop.test");
        assert_eq!(at(&[":80", ":443"]), "https://shop.test");
        assert_eq!(at(&["127.0.0.1:8080"]), "http://shop.test:8080");
        assert_eq!(at(&[]), "http://shop.test");
        assert_eq!(served_at("shop.test/api", &["127.0.0.1:8080".to_owned()]), "http://shop.test:8080/api");
    }
}
