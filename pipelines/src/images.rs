//! The names of images: `registry.example.com:5000/shop/web:1.2@sha256:…` and its parts.
//!
//! The grammar is that of the distribution project's `reference` package, which the Docker engine uses as well.

/// The longest name without tag and digest, in bytes.
const MAX_NAME: usize = 255;
/// The longest tag, in bytes.
pub(crate) const MAX_TAG: usize = 128;

/// An image's name, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference<'a> {
    /// Registry and path.
    pub(crate) name: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) digest: Option<&'a str>,
}

/// Takes a name apart without judging it.
pub(crate) fn split(text: &str) -> Reference<'_> {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    // A colon before the last slash belongs to the registry's port.
    match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => Reference { name, tag: Some(tag), digest },
        _ => Reference { name: rest, tag: None, digest },
    }
}

/// Checks a name without tag and digest; the error says what is wrong with it.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the image has no name".to_owned());
    }
    if name.len() > MAX_NAME {
        return Err(format!("the image's name is longer than {MAX_NAME} characters"));
    }
    let path = match name.split_once('/') {
        Some((host, path)) if is_host(host) => path,
        _ => name,
    };
    for part in path.split('/') {
        if !is_path_component(part) {
            let lower = part.to_lowercase();
            let hint = if part != lower && is_path_component(&lower) { "; image names are in lower case" } else { "" };
            return Err(format!("\"{part}\" cannot be part of an image's name{hint}"));
        }
    }
    Ok(())
}

/// Checks a name that may carry a tag or a digest.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let reference = split(text);
    check_name(reference.name)?;
    if let Some(tag) = reference.tag.filter(|tag| !is_tag(tag)) {
        return Err(format!("\"{tag}\" cannot be an image's tag"));
    }
    match reference.digest {
        Some(digest) if !is_digest(digest) => Err(format!("\"{digest}\" is not a digest such as sha256:…")),
        _ => Ok(()),
    }
}

/// The name as people write it: without Docker Hub's implied registry and namespace, tag and digest.
pub(crate) fn familiar(text: &str) -> &str {
    let name = split(text).name;
    let name = name.strip_prefix("docker.io/").or_else(|| name.strip_prefix("index.docker.io/")).unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// Whether the text can be a tag: letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most 128.
pub(crate) fn is_tag(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    text.len() <= MAX_TAG && text.chars().all(legal) && !text.is_empty() && !text.starts_with(['.', '-'])
}

/// The first part of a name is a registry if it could not be a namespace: `localhost`, or with a dot or a port.
fn is_host(part: &str) -> bool {
    let (host, port) = part.split_once(':').map_or((part, None), |(host, port)| (host, Some(port)));
    let looks_like_host = part == "localhost" || host.contains('.') || port.is_some() || host != host.to_lowercase();
    looks_like_host
        && !host.is_empty()
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        && port.is_none_or(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()))
}

/// Lower-case letters and digits, with single `.`, one or two `_`, or any number of `-` between them.
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !part.starts_with(alphanumeric) || !part.ends_with(alphanumeric) {
        return false;
    }
    part.split(alphanumeric)
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-'))
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        algorithm == "sha256" && hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let reference = split("registry.example.com:5000/shop/web:1.2");
        assert_eq!((reference.name, reference.tag), ("registry.example.com:5000/shop/web", Some("1.2")));
        assert_eq!(split("localhost:5000/web").tag, None);
        assert_eq!(familiar("docker.io/library/busybox:latest"), "busybox");
    }

    #[test]
    fn only_legal_names_pass() {
        for good in ["web", "harbur/hello-world", "127.0.0.1:5000/a/b", "a__b/c.d", "LocalHost:1/a", "x.y/z--z"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "Web", "a//b", "a/", "-a", "a..b", "a___b", "a b", "a/B"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
