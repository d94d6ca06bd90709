//! The logins that the docker client keeps: in its config.json, or with a credential helper.
//!
//! <https://docs.docker.com/reference/cli/docker/login/#credential-stores>

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use slipway_runner::coordinator::RegistryCredential;
use tokio::io::AsyncWriteExt as _;

use crate::cli::Failure;

/// How long a credential helper may take; some ask a person.
const HELPER_LIMIT: Duration = Duration::from_secs(60);
/// How Docker Hub is called where logins are kept.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ConfigFile {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Helped {
    username: String,
    secret: String,
}

/// The logins for the registries that lead to these hosts (`docker.io`, `127.0.0.1:5000`).
pub(in crate::cli) async fn read(hosts: &BTreeSet<String>) -> Result<Vec<RegistryCredential>, Failure> {
    let Some(path) = config_path() else { return Ok(Vec::new()) };
    let Some(file) = read_file(&path)? else { return Ok(Vec::new()) };
    let mut logins = Vec::new();
    for host in hosts {
        let login = match helper(&file, host) {
            Some(helper) => ask(helper, host).await?,
            None => None,
        };
        logins.extend(login.or_else(|| kept(&file, host)));
    }
    Ok(logins)
}

fn config_path() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".docker")));
    Some(folder?.join("config.json"))
}

fn read_file(path: &Path) -> Result<Option<ConfigFile>, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
    };
    let file = serde_json::from_str(&text);
    Ok(Some(file.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?))
}

/// The helper for a host; the store for all is asked only for what the file says it keeps.
fn helper<'a>(file: &'a ConfigFile, host: &str) -> Option<&'a str> {
    let own = file.cred_helpers.iter().find(|(written, _)| is_of(written, host)).map(|(_, helper)| helper.as_str());
    let all = || file.creds_store.as_deref().filter(|_| file.auths.keys().any(|written| is_of(written, host)));
    own.or_else(all).filter(|name| !name.is_empty() && name.chars().all(is_of_a_name))
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// What the file itself holds for a host.
fn kept(file: &ConfigFile, host: &str) -> Option<RegistryCredential> {
    let (_, auth) = file.auths.iter().find(|(written, _)| is_of(written, host))?;
    let (username, password) = if auth.auth.is_empty() {
        (auth.username.clone(), auth.password.clone())
    } else {
        let text = String::from_utf8(STANDARD.decode(&auth.auth).ok()?).ok()?;
        let (username, password) = text.split_once(':')?;
        (username.to_owned(), password.trim_end_matches('\0').to_owned())
    };
    (!username.is_empty()).then(|| RegistryCredential { host: host.to_owned(), username, password })
}

/// Whether a registry is written like this in login files.
fn is_of(written: &str, host: &str) -> bool {
    let bare = written.trim_start_matches("https://").trim_start_matches("http://");
    let bare = bare.split('/').next().unwrap_or(bare);
    bare == host || (host == "docker.io" && matches!(bare, "index.docker.io" | "registry-1.docker.io"))
}

/// Runs a credential helper as docker does: `docker-credential-NAME get`, the registry on its standard input.
async fn ask(helper: &str, host: &str) -> Result<Option<RegistryCredential>, Failure> {
    let program = format!("docker-credential-{helper}");
    let failed = |reason: String| Failure::new(format!("the credential helper {program} for {host}: {reason}"));
    let mut command = tokio::process::Command::new(&program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let server = if host == "docker.io" { DOCKER_HUB } else { host };
    if let Some(mut input) = child.stdin.take() {
        // A helper that reads nothing still may answer.
        drop(input.write_all(server.as_bytes()).await);
    }
    let output = tokio::time::timeout(HELPER_LIMIT, child.wait_with_output()).await;
    let output = output.map_err(|_| failed("it did not answer within a minute".to_owned()))?;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        // That is how helpers say that they have none; the registry then says what it wants.
        return Ok(None);
    }
    let helped: Helped = serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    let Helped { username, secret } = helped;
    Ok(Some(RegistryCredential { host: host.to_owned(), username, password: secret }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::{ConfigFile, helper, kept};

    const FILE: &str = r#"{"auths": {"127.0.0.1:5000": {"auth": "Y2FwdGFpbjphOmI="}, "https://index.docker.io/v1/": {}},
        "credHelpers": {"ecr.example.com": "ecr-login", "bad.example.com": "../evil"}, "credsStore": "desktop",
        "HttpHeaders": {"a": "b"}}"#;

    #[test]
    fn logins_are_found_by_their_host() {
        let file: ConfigFile = serde_json::from_str(FILE).unwrap();
        let login = kept(&file, "127.0.0.1:5000").unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("captain", "a:b"));
        assert!(kept(&file, "127.0.0.1:5001").is_none() && kept(&file, "docker.io").is_none());
        assert_eq!(helper(&file, "ecr.example.com"), Some("ecr-login"));
        assert_eq!(helper(&file, "bad.example.com"), None, "a helper's name is no path");
        assert_eq!(helper(&file, "docker.io"), Some("desktop"));
        assert_eq!(helper(&file, "unknown.example.com"), None, "the store is not asked for what it does not have");
    }
}
