//! What a repository may be called, and where it may be fetched from.

use url::Url;

/// A name, an address and a branch that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `owner/name`.
    pub name: String,
    /// Where it is fetched from.
    pub clone_url: String,
    /// The branch whose builds define the environments.
    pub default_branch: String,
}

/// What is wrong with a repository's name, address or branch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The name is not `owner/name`.
    #[error("the name must be owner/name in letters, digits, `.`, `-` and `_`, as the forge has it")]
    Name,
    /// The branch is not one that git allows.
    #[error("the default branch must be a branch's name, such as main")]
    Branch,
    /// The address holds a password or token.
    #[error("the clone URL holds credentials, which every reader of it would see; leave them out")]
    Credentials,
    /// The address is of a kind that is not fetched from.
    #[error(
        "the clone URL must start with https://, ssh://, git:// or http://, or be of the form git@host:path; {0} is not fetched from"
    )]
    Scheme(String),
    /// The address cannot be understood.
    #[error("the clone URL cannot be understood: {0}")]
    Malformed(String),
}

/// The longest that names and addresses may be, in bytes.
const MAX_BYTES: usize = 1024;

impl Address {
    /// Checks all three.
    ///
    /// # Errors
    /// When one of them cannot be used; the message says what to do.
    pub fn check(name: &str, clone_url: &str, default_branch: &str) -> Result<Self, AddressError> {
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() != 2 || !parts.iter().all(|part| is_name(part)) || name.len() > MAX_BYTES {
            return Err(AddressError::Name);
        }
        if !is_branch(default_branch) {
            return Err(AddressError::Branch);
        }
        check_clone_url(clone_url)?;
        Ok(Address {
            name: name.to_owned(),
            clone_url: clone_url.to_owned(),
            default_branch: default_branch.to_owned(),
        })
    }
}

fn is_name(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with(['.', '-'])
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_branch(branch: &str) -> bool {
    !branch.is_empty()
        && branch.len() <= 255
        && !branch.starts_with(['-', '/', '.'])
        && !branch.ends_with(['/', '.'])
        && !branch.contains("..")
        && !branch.contains("//")
        && !branch.contains("@{")
        && !branch.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c))
}

fn check_clone_url(clone_url: &str) -> Result<(), AddressError> {
    if clone_url.len() > MAX_BYTES || clone_url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(AddressError::Malformed("it is too long, or holds blanks".to_owned()));
    }
    if clone_url.starts_with('-') {
        return Err(AddressError::Malformed("it starts with a dash".to_owned()));
    }
    if !clone_url.contains("://") {
        return check_scp_like(clone_url);
    }
    let url = Url::parse(clone_url).map_err(|error| AddressError::Malformed(error.to_string()))?;
    if !matches!(url.scheme(), "https" | "http" | "ssh" | "git") {
        return Err(AddressError::Scheme(format!("{}:", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(AddressError::Malformed("it names no host".to_owned()));
    }
    // A user name alone belongs to ssh addresses; elsewhere it is where tokens are put.
    if url.password().is_some() || (!url.username().is_empty() && url.scheme() != "ssh") {
        return Err(AddressError::Credentials);
    }
    Ok(())
}

/// `user@host:path`, as ssh users write it.
fn check_scp_like(address: &str) -> Result<(), AddressError> {
    let Some((host, path)) = address.split_once(':') else {
        return Err(AddressError::Scheme("a path of this machine".to_owned()));
    };
    let (user, machine) = host.split_once('@').unwrap_or(("git", host));
    // git's own `ext::` and the like would run commands.
    if path.starts_with(':') || machine == "file" {
        return Err(AddressError::Scheme(format!("{host}:")));
    }
    let is_word = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if !is_word(user) || !is_word(machine) || path.is_empty() || path.starts_with('-') {
        return Err(AddressError::Malformed("expected user@host:path".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn said(clone_url: &str) -> String {
        Address::check("shop/web", clone_url, "main").unwrap_err().to_string()
    }

    #[test]
    fn usual_addresses_are_taken() {
        for clone_url in [
            "https://github.com/shop/web.git",
            "http://127.0.0.1:3000/shop/web",
            "git://localhost:9418/shop/web",
            "ssh://git@example.com:22/shop/web.git",
            "git@github.com:shop/web.git",
        ] {
            assert!(Address::check("shop/web", clone_url, "main").is_ok(), "{clone_url}");
        }
    }

    #[test]
    fn addresses_that_would_reach_this_machine_are_refused() {
        for clone_url in ["file:///etc", "file:/etc", "/srv/git/web", "../web", "ext::sh -c id", "ext::sh"] {
            let said = said(clone_url);
            assert!(said.contains("not fetched from") || said.contains("holds blanks"), "{clone_url}: {said}");
        }
        assert!(said("--upload-pack=id").contains("starts with a dash"));
        assert!(said("-x@host:path").contains("starts with a dash"));
    }

    #[test]
    fn credentials_do_not_belong_into_addresses() {
        for clone_url in ["https://ghp_token@github.com/shop/web", "https://me:pw@github.com/a/b", "ssh://git:pw@h/a"] {
            assert!(said(clone_url).contains("holds credentials"), "{clone_url}");
            assert!(!said(clone_url).contains("pw"));
        }
    }

    #[test]
    fn names_and_branches_are_plain() {
        let check = |name, branch| Address::check(name, "https://github.com/shop/web", branch);
        assert!(check("shop/web", "release/1.x").is_ok());
        for name in ["shop", "shop/web/api", "../web", "shop/", "shop/we b", "-shop/web"] {
            assert_eq!(check(name, "main").unwrap_err(), AddressError::Name, "{name}");
        }
        for branch in ["", "-x", "a..b", "a b", "/main", "ma\nin"] {
            assert_eq!(check("shop/web", branch).unwrap_err(), AddressError::Branch, "{branch}");
        }
    }
}
