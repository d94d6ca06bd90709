//! Logins to fetch repositories with: a credential that is for fetching, too, opens the repository at its own forge, and
//! is sent nowhere else.

use slipway_runner::coordinator::CloneLogin;
use url::Url;

use super::{Credential, Forges, Refusal, for_repository};
use crate::store::forge_credentials::SealedCredential;

/// The user that tokens of GitHub are the password of
/// (<https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation>);
/// of a personal access token any name will do.
const USER: &str = "x-access-token";

/// What the API of GitHub's own servers is called before their name: `api.github.com`, `api.acme.ghe.com`.
const OF_API: &str = "api.";

/// The credential that a repository is fetched with, if there is one: of those that are for fetching, and whose forge its
/// address leads to, the one for it.
pub(crate) fn to_fetch<'a>(
    all: &'a [SealedCredential],
    repository: &str,
    clone_url: &str,
) -> Option<&'a SealedCredential> {
    let good = all.iter().filter(|found| found.is_to_fetch() && leads_to(clone_url, &found.api, repository));
    for_repository(good, repository)
}

/// The login for a repository: the token itself, or one that an App is given to read this repository alone for an hour.
///
/// # Errors
/// [`Refusal`] says why an App is given none.
pub(crate) async fn login(
    forges: &Forges,
    sealed: &SealedCredential,
    credential: &Credential,
    repository: &str,
) -> Result<CloneLogin, Refusal> {
    let token = forges.account(sealed, credential, repository).token_to_read().await?;
    Ok(CloneLogin { user: USER.to_owned(), password: token.reveal().to_owned() })
}

/// Whether an address is that of the repository of this name at the forge whose API is there.
fn leads_to(clone_url: &str, api: &str, repository: &str) -> bool {
    let (Ok(url), Ok(api)) = (Url::parse(clone_url), Url::parse(api)) else { return false };
    let host = api.host_str().unwrap_or_default();
    // GitHub Enterprise Server has its API below its own name: <https://docs.github.com/enterprise-server/rest/quickstart>
    let host = if api.path() == "/" { host.strip_prefix(OF_API).unwrap_or(host) } else { host };
    let path = url.path().trim_matches('/');
    url.scheme() == api.scheme()
        && url.host_str() == Some(host)
        && url.port_or_known_default() == api.port_or_known_default()
        && path.strip_suffix(".git").unwrap_or(path).eq_ignore_ascii_case(repository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_for_the_repository_at_its_own_forge_alone() {
        let github = "https://api.github.com";
        let enterprise = "https://git.example.com:8443/api/v3";
        for (clone_url, api, expected) in [
            ("https://github.com/acme/shop.git", github, true),
            ("https://github.com/Acme/Shop", github, true),
            ("https://acme.ghe.com/acme/shop.git", "https://api.acme.ghe.com", true),
            ("https://git.example.com:8443/acme/shop.git", enterprise, true),
            ("http://127.0.0.1:80/acme/shop.git", "http://127.0.0.1", true),
            ("http://github.com/acme/shop.git", github, false),
            ("https://api.github.com/acme/shop.git", github, false),
            ("https://github.com/acme/other.git", github, false),
            ("https://github.com/acme/shop.git/x", github, false),
            ("https://github.com.example.com/acme/shop.git", github, false),
            ("https://github.com@example.com/acme/shop.git", github, false),
            ("https://github.com:8443/acme/shop.git", github, false),
            ("https://git.example.com/acme/shop.git", enterprise, false),
            ("git@github.com:acme/shop.git", github, false),
            ("ssh://git@github.com/acme/shop.git", github, false),
        ] {
            assert_eq!(leads_to(clone_url, api, "acme/shop"), expected, "{clone_url} by {api}");
        }
    }
}
