//! Which addresses are fetched from, and how they are shown.

use url::Url;

use super::CheckoutError;

/// What stands in the place of a password.
const HIDDEN: &str = "***";

/// A server, and who asks it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scheme: String,
    /// Empty where there is none.
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    /// Whether a login for one is as good for the other.
    fn is_same_server(&self, other: &Place) -> bool {
        (&self.scheme, &self.host, self.port) == (&other.scheme, &other.host, other.port)
    }
}

/// An address that may be fetched from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CloneAddress {
    full: String,
    shown: String,
}

impl CloneAddress {
    /// Allows git, http, https and ssh, also in ssh's short form `user@host:path`. A path of this machine is not an
    /// address: with one, a registration could read what the runner can read.
    pub(super) fn parse(text: &str) -> Result<Self, CheckoutError> {
        let refused = |why: &str| CheckoutError::Address { address: redacted(text), why: why.to_owned() };
        if !text.contains("://") {
            return if is_short_ssh(text) {
                Ok(CloneAddress { full: text.to_owned(), shown: text.to_owned() })
            } else {
                Err(refused("it must begin with https://, ssh://, http:// or git://"))
            };
        }
        let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
        if !matches!(url.scheme(), "git" | "http" | "https" | "ssh") {
            return Err(refused("only https, ssh, http and git are fetched from"));
        }
        if url.host_str().is_none_or(|host| host.starts_with('-')) {
            return Err(refused("it names no host"));
        }
        Ok(CloneAddress { full: text.to_owned(), shown: redacted(text) })
    }

    /// The server that it leads to.
    pub(super) fn place(&self) -> Place {
        let Ok(url) = Url::parse(&self.full) else {
            let (login, _) = self.full.split_once(':').unwrap_or((&self.full, ""));
            let (user, host) = login.split_once('@').unwrap_or(("", login));
            return Place {
                scheme: "ssh".to_owned(),
                user: user.to_owned(),
                host: host.to_ascii_lowercase(),
                port: 22,
            };
        };
        let usual = match url.scheme() {
            "http" => 80,
            "https" => 443,
            "git" => 9418,
            _ => 22,
        };
        Place {
            scheme: url.scheme().to_owned(),
            user: url.username().to_owned(),
            host: url.host_str().unwrap_or_default().to_ascii_lowercase(),
            port: url.port().unwrap_or(usual),
        }
    }

    /// The address that a submodule of this repository has, as `.gitmodules` says it: relative to this one, or whole.
    ///
    /// `own` is the registered repository's: its login goes to its own server only, and so does what is asked without
    /// the gate, by git's own protocol or by ssh. There is none for who may not read by that login.
    pub(super) fn of_submodule(&self, text: &str, own: Option<&CloneAddress>) -> Result<Self, CheckoutError> {
        let refused = |why: &str| CheckoutError::Address { address: redacted(text), why: why.to_owned() };
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(refused("it holds signs that no address has"));
        }
        let is_relative = text.starts_with("./") || text.starts_with("../");
        let found = if is_relative {
            self.relative(text).ok_or_else(|| refused("it leads out of the server that the repository is on"))?
        } else {
            text.to_owned()
        };
        let found = CloneAddress::parse(&found)?;
        let place = found.place();
        match own {
            Some(own) if place.is_same_server(&own.place()) => Ok(found.with_login_of(own)),
            None if is_relative && is_web(&place) => Ok(found.without_login()),
            _ if is_web(&place) => Ok(found),
            Some(_) => Err(refused(
                "a submodule of another server is fetched by https only; write a relative address for the same one",
            )),
            None => Err(refused("the submodules of a pull request are fetched without a login, by https only")),
        }
    }

    /// The address of what the repository keeps in Git LFS, where nothing else is said.
    pub(super) fn of_large_files(&self) -> Result<Self, CheckoutError> {
        let place = self.place();
        let path = |text: &str| format!("{}.git/info/lfs", text.trim_matches('/').trim_end_matches(".git"));
        let full = match Url::parse(&self.full) {
            Ok(mut url) if is_web(&place) => {
                url.set_path(&path(url.path()));
                url.to_string()
            }
            Ok(url) => format!("https://{}/{}", place.host, path(url.path())),
            Err(_) => {
                format!("https://{}/{}", place.host, path(self.full.split_once(':').map_or("", |(_, path)| path)))
            }
        };
        CloneAddress::parse(&full)
    }

    /// A relative address in full: each `..` takes a piece from the end of the path, as git does it.
    fn relative(&self, text: &str) -> Option<String> {
        let (start, path) = match Url::parse(&self.full) {
            Ok(url) => {
                let at = self.full.len() - url.path().len();
                self.full.get(..at).zip(self.full.get(at..)).filter(|(_, path)| *path == url.path())?
            }
            Err(_) => self.full.split_at(self.full.find(':')? + 1),
        };
        let mut pieces: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let least = usize::from(path.starts_with('/'));
        for piece in text.split('/') {
            match piece {
                "" | "." => {}
                ".." if pieces.len() > least => drop(pieces.pop()),
                ".." => return None,
                piece => pieces.push(piece),
            }
        }
        (pieces.len() > least).then(|| format!("{start}{}", pieces.join("/")))
    }

    /// The same with the login of another address of the same server, unless it has one.
    fn with_login_of(self, other: &CloneAddress) -> Self {
        let (Ok(mut url), Ok(from)) = (Url::parse(&self.full), Url::parse(&other.full)) else { return self };
        let is_bare = url.username().is_empty() && url.password().is_none();
        let login = !from.username().is_empty() || from.password().is_some();
        if is_bare && login && url.set_username(from.username()).is_ok() && url.set_password(from.password()).is_ok() {
            return CloneAddress { full: url.to_string(), shown: self.shown };
        }
        self
    }

    /// The same with a login, where it is of the web and has none.
    pub(super) fn with_login(self, user: &str, password: &str) -> Self {
        let Ok(mut url) = Url::parse(&self.full) else { return self };
        let is_bare = url.username().is_empty() && url.password().is_none();
        let is_bare_web = is_bare && is_web(&self.place());
        if is_bare_web && url.set_username(user).is_ok() && url.set_password(Some(password)).is_ok() {
            return CloneAddress { full: url.to_string(), shown: self.shown };
        }
        self
    }

    /// The same without a login.
    fn without_login(self) -> Self {
        let Ok(mut url) = Url::parse(&self.full) else { return self };
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return self;
        }
        CloneAddress { full: url.to_string(), shown: self.shown }
    }

    /// Whether it holds a login of any kind.
    pub(super) fn has_login(&self) -> bool {
        self.full != self.shown || !self.place().user.is_empty()
    }

    /// Whether it holds a login that a web server is shown.
    pub(super) fn has_web_login(&self) -> bool {
        self.has_login() && is_web(&self.place())
    }

    /// A text about it, without what may be a secret.
    pub(super) fn cleared(&self, text: &str) -> String {
        let cleared = text.replace(&self.full, &self.shown);
        let password = Url::parse(&self.full).ok().and_then(|url| url.password().map(str::to_owned));
        match password.filter(|password| !password.is_empty()) {
            Some(password) => cleared.replace(&password, HIDDEN),
            None => cleared,
        }
    }

    /// The address with everything in it.
    pub(super) fn full(&self) -> &str {
        &self.full
    }

    /// The address as people may see it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

impl std::fmt::Debug for CloneAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

fn is_web(place: &Place) -> bool {
    matches!(place.scheme.as_str(), "http" | "https")
}

/// `user@host:path` with nothing in it that a shell or an option parser would take for something else.
fn is_short_ssh(text: &str) -> bool {
    let Some((host, path)) = text.split_once(':') else { return false };
    let Some((user, host)) = host.split_once('@') else { return false };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    plain(user) && plain(host) && !path.is_empty() && !path.contains(char::is_whitespace)
}

/// The address without what may be a secret: forges take tokens as the password, and also as the user name.
fn redacted(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            let cleared = url.set_password(None).is_ok() && (url.scheme() == "ssh" || url.set_username("").is_ok());
            if cleared { url.to_string() } else { "(an address with a login)".to_owned() }
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn the_usual_addresses_are_allowed() {
        for text in [
            "https://github.com/shop/web.git",
            "http://127.0.0.1:8080/shop.git",
            "git://127.0.0.1:9418/shop",
            "ssh://git@github.com/shop/web.git",
            "git@github.com:shop/web.git",
        ] {
            assert_eq!(CloneAddress::parse(text).unwrap().full(), text);
        }
    }

    #[test]
    fn paths_of_this_machine_and_helpers_are_not() {
        for text in ["file:///srv/git/x", "/srv/git/x", "../x", "ext::sh -c id", "ext://x", "-u@host:path", "C:\\x"] {
            assert!(matches!(CloneAddress::parse(text), Err(CheckoutError::Address { .. })), "{text}");
        }
    }

    #[test]
    fn who_may_not_read_by_the_login_does_not() {
        let parent = CloneAddress::parse("https://x:secret@example.com/shop/web.git").unwrap();
        for text in ["../lib.git", "https://example.com/shop/lib.git"] {
            assert_eq!(parent.of_submodule(text, None).unwrap().full(), "https://example.com/shop/lib.git");
        }
        let parent = CloneAddress::parse("git@example.com:shop/web.git").unwrap();
        assert!(parent.of_submodule("../lib.git", None).is_err());
    }

    fn submodule(parent: &str, text: &str) -> Result<String, CheckoutError> {
        let parent = CloneAddress::parse(parent).unwrap();
        parent.of_submodule(text, Some(&parent)).map(|address| address.full().to_owned())
    }

    #[test]
    fn relative_addresses_begin_at_the_repository() {
        for (parent, text, full) in [
            ("https://example.com/shop/web.git", "../lib.git", "https://example.com/shop/lib.git"),
            ("https://example.com/shop/web.git/", "../../other/lib", "https://example.com/other/lib"),
            ("https://example.com/shop/web", "./lib", "https://example.com/shop/web/lib"),
            ("https://t:s@example.com:8443/shop/web", "../lib", "https://t:s@example.com:8443/shop/lib"),
            ("git@example.com:shop/web.git", "../lib.git", "git@example.com:shop/lib.git"),
            ("git@example.com:web.git", "../lib.git", "git@example.com:lib.git"),
            ("ssh://git@example.com/shop/web", "../lib", "ssh://git@example.com/shop/lib"),
        ] {
            assert_eq!(submodule(parent, text).unwrap(), full);
        }
        for text in ["../../../lib", "../..", "../../../../../etc/passwd"] {
            assert!(submodule("https://example.com/shop/web.git", text).is_err(), "{text}");
        }
        assert!(submodule("git@example.com:web.git", "../../lib.git").is_err());
    }

    #[test]
    fn a_login_goes_to_its_own_server_only() {
        let parent = "https://x:secret@example.com/shop/web.git";
        assert_eq!(submodule(parent, "https://example.com/lib.git").unwrap(), "https://x:secret@example.com/lib.git");
        for other in ["https://example.org/lib.git", "https://example.com:8443/lib.git", "http://example.com/lib.git"] {
            assert_eq!(submodule(parent, other).unwrap(), other);
        }
        let ssh = "git@example.com:shop/web.git";
        assert_eq!(submodule(ssh, "ssh://git@example.com/lib").unwrap(), "ssh://git@example.com/lib");
        for refused in
            ["git@example.org:lib.git", "git://example.com/lib", "/srv/lib", "file:///srv/lib", "ext::sh -c id"]
        {
            assert!(submodule(ssh, refused).is_err(), "{refused}");
        }
        assert!(submodule(parent, "https://example.com/a\n/b").is_err());
    }

    #[test]
    fn logins_are_not_shown() {
        let lent = CloneAddress::parse("https://example.com/a.git").unwrap().with_login("x-token", "s3cret@/");
        assert_eq!(lent.full(), "https://x-token:s3cret%40%2F@example.com/a.git");
        assert_eq!((lent.shown(), lent.place().user.as_str()), ("https://example.com/a.git", "x-token"));
        let said = lent.cleared("cannot read https://x-token:s3cret%40%2F@example.com/a.git with s3cret%40%2F");
        assert_eq!(said, "cannot read https://example.com/a.git with ***");
        for other in ["git@example.com:a.git", "ssh://git@example.com/a", "git://example.com/a", "https://own:x@a.b/c"]
        {
            assert_eq!(CloneAddress::parse(other).unwrap().with_login("x", "y").full(), other);
        }
        let address = CloneAddress::parse("https://x-token:s3cret@example.com/a.git").unwrap();
        assert_eq!(address.shown(), "https://example.com/a.git");
        assert_eq!(format!("{address:?}"), "https://example.com/a.git");
        assert_eq!(CloneAddress::parse("https://s3cret@example.com/a").unwrap().shown(), "https://example.com/a");
        assert_eq!(CloneAddress::parse("ssh://git@example.com/a").unwrap().shown(), "ssh://git@example.com/a");
    }
}
