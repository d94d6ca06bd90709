//! Which login belongs to which image.

use bollard::auth::DockerCredentials;

use super::names::{canonical_host, host};
use crate::coordinator::RegistryCredential;

/// The login for the registry that the image's name leads to; none if that host has no login.
///
/// A login is given to its own host only: never to another port, a parent domain or a mirror.
#[must_use]
pub fn credential_for<'a>(image: &str, credentials: &'a [RegistryCredential]) -> Option<&'a RegistryCredential> {
    let wanted = host(image).ok()?;
    credentials.iter().find(|credential| canonical_host(&credential.host) == wanted)
}

/// The same login in the form that the engine takes with a pull or a push.
#[must_use]
pub fn engine_login(image: &str, credentials: &[RegistryCredential]) -> Option<DockerCredentials> {
    credential_for(image, credentials).map(|credential| DockerCredentials {
        username: Some(credential.username.clone()),
        password: Some(credential.password.clone()),
        serveraddress: Some(credential.host.clone()),
        ..DockerCredentials::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{credential_for, engine_login};
    use crate::coordinator::RegistryCredential;

    fn login(host: &str, username: &str) -> RegistryCredential {
        RegistryCredential { host: host.into(), username: username.into(), password: "secret".into() }
    }

    #[test]
    fn a_login_is_found_by_the_images_host_and_given_to_no_other() {
        let logins = [login("https://index.docker.io/v1/", "hub"), login("127.0.0.1:5000", "local")];
        let found = |image: &str| credential_for(image, &logins).map(|login| login.username.as_str());
        assert_eq!(found("busybox"), Some("hub"));
        assert_eq!(found("127.0.0.1:5000/web:v1"), Some("local"));
        assert_eq!(found("127.0.0.1:5001/web"), None);
        assert_eq!(found("example.com/web"), None);
        assert_eq!(found("Not A Name"), None);
    }

    #[test]
    fn the_engine_gets_the_login_with_its_host() {
        let given = engine_login("127.0.0.1:5000/web", &[login("127.0.0.1:5000", "local")]);
        assert_eq!(given.and_then(|login| login.serveraddress), Some("127.0.0.1:5000".to_owned()));
    }
}
