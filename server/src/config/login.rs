//! The `[[login]]` tables: where else people can prove who they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde::Deserialize;
use url::Url;

use super::{
    ConfigError,
    file::{LoginSection, ProviderKind},
};
use crate::{
    access::external::{Entrance, LoginKind, LoginSettings},
    secrets::Secret,
};

/// The most providers.
const MOST: usize = 10;
/// The most groups and roles that are asked for at GitHub, where each costs a request.
const MOST_ASKED: usize = 20;
/// Where anybody can have an account: who comes from there is nobody's choice.
const OPEN_TO_ALL: [&str; 4] = ["accounts.google.com", "login.microsoftonline.com", "gitlab.com", "appleid.apple.com"];

impl<'de> Deserialize<'de> for ProviderKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "openid" => Ok(ProviderKind::OpenId),
            "github" => Ok(ProviderKind::GitHub),
            other => Err(serde::de::Error::custom(format!("kind is \"openid\" or \"github\", not \"{other}\""))),
        }
    }
}

/// The providers; `secrets` are those that variables give, by what stands in the variables' names for the provider.
pub(super) fn resolve(
    file: Vec<LoginSection>,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Vec<LoginSettings>, ConfigError> {
    if file.len() > MOST {
        return Err(invalid("login", &file.len().to_string(), format!("there are at most {MOST} of them")));
    }
    let logins: Vec<LoginSettings> = file.into_iter().map(|one| login(one, secrets)).collect::<Result<_, _>>()?;
    let mut slugs = BTreeSet::new();
    match logins.iter().find(|login| !slugs.insert(login.slug.as_str())) {
        Some(twice) => Err(invalid("login.name", &twice.name, "another one is called so".to_owned())),
        None => Ok(logins),
    }
}

fn login(file: LoginSection, secrets: &BTreeMap<String, Secret>) -> Result<LoginSettings, ConfigError> {
    let missing = |key: &str| invalid("login.name", &file.name, format!("its `{key}` is missing"));
    let slug = slug(&file.name);
    if slug.is_empty() || file.name.chars().count() > 40 {
        return Err(invalid(
            "login.name",
            &file.name,
            "it has 1 to 40 characters, letters or digits among them".to_owned(),
        ));
    }
    let entrance = Entrance {
        create: file.create,
        domains: file.domains.clone(),
        groups: [file.groups.clone(), file.organisations.clone()].concat(),
        claims: file.claims.clone(),
        role: file.role,
        roles: file.roles.clone(),
    };
    let kind = match file.kind.ok_or_else(|| missing("kind"))? {
        ProviderKind::OpenId => openid(&file, &entrance)?,
        ProviderKind::GitHub => github(&file, &entrance)?,
    };
    Ok(LoginSettings {
        kind,
        client_id: file.client_id.clone().ok_or_else(|| missing("client_id"))?,
        client_secret: secret(&file, &slug, secrets)?,
        entrance,
        slug,
        name: file.name,
    })
}

fn openid(file: &LoginSection, entrance: &Entrance) -> Result<LoginKind, ConfigError> {
    if !file.organisations.is_empty() || file.url.is_some() {
        return Err(invalid(
            "login.name",
            &file.name,
            "`organisations` and `url` are of the kind \"github\"".to_owned(),
        ));
    }
    let issuer = file.issuer.clone();
    let issuer = issuer.ok_or_else(|| invalid("login.name", &file.name, "its `issuer` is missing".to_owned()))?;
    let host = address("login.issuer", &issuer)?.host_str().unwrap_or_default().to_owned();
    if entrance.create && entrance.is_open() && OPEN_TO_ALL.contains(&host.as_str()) {
        return Err(anybody(&file.name, "domains = [\"example.com\"]"));
    }
    Ok(LoginKind::OpenId {
        issuer,
        scopes: file.scopes.clone(),
        groups_claim: file.groups_claim.clone().unwrap_or_else(|| "groups".to_owned()),
    })
}

fn github(file: &LoginSection, entrance: &Entrance) -> Result<LoginKind, ConfigError> {
    let of_openid = [&file.domains, &file.groups, &file.scopes].into_iter().any(|list| !list.is_empty());
    if of_openid || file.issuer.is_some() || file.groups_claim.is_some() || !file.claims.is_empty() {
        let reason = "`issuer`, `scopes`, `groups`, `groups_claim`, `domains` and `claims` are of the kind \"openid\"; \
                      at GitHub `organisations` say who may come in";
        return Err(invalid("login.name", &file.name, reason.to_owned()));
    }
    if entrance.create && entrance.is_open() {
        return Err(anybody(&file.name, "organisations = [\"acme\"]"));
    }
    let names = || entrance.groups.iter().chain(entrance.roles.keys());
    if names().count() > MOST_ASKED {
        return Err(invalid(
            "login.name",
            &file.name,
            format!("at most {MOST_ASKED} organisations and teams are asked for"),
        ));
    }
    if let Some(odd) = names().find(|name| !is_github_name(name)) {
        return Err(invalid("login.organisations", odd, "expected an organisation, or organisation/team".to_owned()));
    }
    let web = file.url.clone().unwrap_or_else(|| "https://github.com".to_owned());
    let web = address("login.url", &web)?.as_str().trim_end_matches('/').to_owned();
    let api = if web == "https://github.com" { "https://api.github.com".to_owned() } else { format!("{web}/api/v3") };
    Ok(LoginKind::GitHub { web, api })
}

/// Organisations and teams, as they stand in addresses.
fn is_github_name(name: &str) -> bool {
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.split('/').count() <= 2 && name.split('/').all(is_plain)
}

fn anybody(name: &str, example: &str) -> ConfigError {
    let reason = format!("anybody can have an account there, and `create` would let all of them in: add {example}");
    invalid("login.name", name, reason)
}

/// From the variable, else from the file that is named, else as it stands.
fn secret(file: &LoginSection, slug: &str, secrets: &BTreeMap<String, Secret>) -> Result<Secret, ConfigError> {
    let variable = slug.to_uppercase().replace('-', "_");
    if let Some(secret) = secrets.get(&variable) {
        return Ok(secret.clone());
    }
    if let Some(path) = &file.client_secret_file {
        let text = fs::read_to_string(path)
            .map_err(|error| invalid("login.client_secret_file", &path.display().to_string(), error.to_string()))?;
        return Ok(Secret::new(text.trim()));
    }
    file.client_secret.clone().ok_or_else(|| {
        let reason = format!(
            "its secret is missing: set SLIPWAY_LOGIN_{variable}_SECRET, `client_secret_file` or `client_secret`"
        );
        invalid("login.name", &file.name, reason)
    })
}

/// The name as it stands in addresses.
fn slug(name: &str) -> String {
    let plain = name.to_lowercase();
    let parts: Vec<&str> = plain.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

/// Secrets go there: by https, or nowhere beyond this machine.
fn address(key: &'static str, text: &str) -> Result<Url, ConfigError> {
    let url = Url::parse(text).map_err(|error| invalid(key, text, error.to_string()))?;
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_plain && url.host_str().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && is_local)) {
        return Ok(url);
    }
    Err(invalid(key, text, "expected https://HOST, with a path at most".to_owned()))
}

fn invalid(key: &'static str, value: &str, reason: String) -> ConfigError {
    ConfigError::Invalid { key, value: value.to_owned(), reason }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;
    use crate::access::Role;

    fn resolved(text: &str, secrets: &BTreeMap<String, Secret>) -> Result<Vec<LoginSettings>, String> {
        let file = super::super::file::parse("slipway.toml", text).map_err(|error| error.to_string())?;
        resolve(file.login, secrets).map_err(|error| error.to_string())
    }

    fn said(text: &str) -> String {
        resolved(text, &BTreeMap::new()).unwrap_err()
    }

    const COMPANY: &str = "[[login]]\nname = \"My Company\"\nkind = \"openid\"\nclient_id = \"slipway\"\n";
    const GITHUB: &str =
        "[[login]]\nname = \"GitHub\"\nkind = \"github\"\nclient_id = \"Iv1\"\nclient_secret = \"hunter2\"\n";

    #[test]
    fn a_provider_is_read_and_its_secret_comes_from_a_variable_first() {
        let text = format!(
            "{COMPANY}issuer = \"https://id.example.com/realms/main\"\nroles = {{ops = \"deployer\"}}\n{GITHUB}"
        );
        let secrets = BTreeMap::from([("MY_COMPANY".to_owned(), Secret::new("geheim"))]);
        let logins = resolved(&text, &secrets).unwrap();
        assert_eq!((logins[0].slug.as_str(), logins[0].client_secret.reveal()), ("my-company", "geheim"));
        assert_eq!(logins[0].entrance.roles["ops"], Role::Deployer);
        let LoginKind::GitHub { web, api } = &logins[1].kind else { panic!("{:?}", logins[1].kind) };
        assert_eq!((web.as_str(), api.as_str()), ("https://github.com", "https://api.github.com"));
        assert!(!format!("{logins:?}").contains("hunter2"));
        let enterprise = resolved(&format!("{GITHUB}url = \"https://git.example.com/\""), &secrets).unwrap();
        assert!(
            matches!(&enterprise[0].kind, LoginKind::GitHub { api, .. } if api == "https://git.example.com/api/v3")
        );
    }

    #[test]
    fn what_would_let_anybody_in_or_lacks_something_is_refused() {
        assert!(said(&format!("{GITHUB}create = true")).contains("add organisations = [\"acme\"]"));
        let google = format!("{COMPANY}client_secret = \"x\"\nissuer = \"https://accounts.google.com\"\ncreate = true");
        assert!(said(&google).contains("add domains"), "{}", said(&google));
        assert!(said(&format!("{COMPANY}client_secret = \"x\"")).contains("its `issuer` is missing"));
        let plain = format!("{COMPANY}client_secret = \"x\"\nissuer = \"http://id.example.com\"");
        assert!(said(&plain).contains("expected https://HOST"), "{}", said(&plain));
        let bare = format!("{COMPANY}issuer = \"https://id.example.com\"");
        assert!(said(&bare).contains("SLIPWAY_LOGIN_MY_COMPANY_SECRET"), "{}", said(&bare));
        assert!(said(&format!("{GITHUB}{GITHUB}")).contains("another one is called so"));
        assert!(said(&format!("{GITHUB}organisations = [\"a/../b\"]")).contains("organisation/team"));
        assert!(said(&format!("{GITHUB}organisation = [\"a\"]")).contains("line 6: unknown key `login.organisation`"));
        assert!(said(&GITHUB.replace("github", "gitlab")).contains("not \"gitlab\""));
    }
}
