//! Why a registry's answer could not be had, and what to do about it.

use oci_client::errors::{OciDistributionError, OciErrorCode};

use crate::{coordinator::RegistryCredential, failure::root_cause};

/// Why a question to a registry has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The image's name is not one that Docker would read.
    #[error("`{reference}` is not an image name: {reason}. Names look like registry.example.com/shop/web")]
    InvalidName {
        /// The name as it was given, cut to a readable length.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answers at the registry's address.
    #[error("the registry {host} cannot be reached: {reason}. Check that it runs and that this machine can reach it")]
    Unreachable {
        /// The registry's host.
        host: String,
        /// What the attempt met.
        reason: String,
    },
    /// The registry wants a login, or another one.
    #[error("the registry {host} refused {who}. Set the credentials of {host} in Slipway")]
    Refused {
        /// The registry's host.
        host: String,
        /// The login that was refused, in words.
        who: String,
    },
    /// The registry answered, but with a failure of its own.
    #[error("the registry {host} answered with a failure: {reason}. Its log says more")]
    Failing {
        /// The registry's host.
        host: String,
        /// The status and the beginning of the answer.
        reason: String,
    },
    /// This machine cannot make encrypted connections at all.
    #[error("no connection to a registry can be made: {reason}. Check this machine's certificate store")]
    Client {
        /// What failed.
        reason: String,
    },
}

impl RegistryError {
    /// Whether the registry may answer the same question later without anyone changing a setting.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, RegistryError::Unreachable { .. } | RegistryError::Failing { .. })
    }
}

/// Tells "there is no such image" (no error) from every other failure.
pub(super) fn interpret(
    failure: OciDistributionError,
    host: &str,
    credential: Option<&RegistryCredential>,
) -> Result<Option<String>, RegistryError> {
    let host = host.to_owned();
    let refused = |host: String| {
        let who = credential.map_or_else(
            || "an anonymous request".to_owned(),
            |login| format!("the login of user `{}`", login.username),
        );
        Err(RegistryError::Refused { host, who })
    };
    match failure {
        missing if is_missing(&missing) => Ok(None),
        OciDistributionError::RegistryError { envelope, .. } => {
            let has = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
            if has(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                refused(host)
            } else {
                Err(RegistryError::Failing { host, reason: excerpt(&envelope.to_string()) })
            }
        }
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            refused(host)
        }
        OciDistributionError::ServerError { code: 401 | 403, .. } => refused(host),
        OciDistributionError::ServerError { code, message, .. } => {
            Err(RegistryError::Failing { host, reason: excerpt(&format!("HTTP {code} {message}")) })
        }
        OciDistributionError::RequestError(request) => {
            Err(RegistryError::Unreachable { host, reason: root_cause(&request) })
        }
        other => Err(RegistryError::Failing { host, reason: excerpt(&other.to_string()) }),
    }
}

/// Whether a registry answered that it has nothing of the name.
pub(super) fn is_missing(failure: &OciDistributionError) -> bool {
    let unknown = [OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound];
    match failure {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|error| unknown.contains(&error.code))
        }
        _ => false,
    }
}

/// The beginning of an answer, on one line: what a registry sends is not ours to bound anywhere else.
fn excerpt(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(300)
        .collect::<String>()
        .trim()
        .into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::unwrap_in_result, reason = "a test may fail loudly")]
mod tests {
    use oci_client::errors::{OciDistributionError, OciEnvelope};

    use super::{RegistryError, interpret};
    use crate::coordinator::RegistryCredential;

    fn envelope(code: &str) -> OciDistributionError {
        let envelope: OciEnvelope =
            serde_json::from_value(serde_json::json!({"errors": [{"code": code, "message": "…"}]})).unwrap();
        OciDistributionError::RegistryError { envelope, url: "http://r/v2/".into() }
    }

    #[test]
    fn an_unknown_image_is_an_answer_and_not_an_error() {
        for code in ["MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"] {
            assert_eq!(interpret(envelope(code), "r", None), Ok(None), "{code}");
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_the_user_and_never_the_password() {
        let login = RegistryCredential { host: "r.io".into(), username: "ann".into(), password: "hunter2".into() };
        let refusal = interpret(envelope("DENIED"), "r.io", Some(&login)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "the registry r.io refused the login of user `ann`. Set the credentials of r.io in Slipway"
        );
        assert!(!refusal.is_outage());
    }

    #[test]
    fn a_failing_registry_is_an_outage_and_its_answer_is_cut() {
        let failure = OciDistributionError::ServerError { code: 502, url: String::new(), message: "x\n".repeat(5_000) };
        let error = interpret(failure, "r.io", None).unwrap_err();
        assert!(error.is_outage());
        assert!(
            matches!(error, RegistryError::Failing { reason, .. } if reason.len() <= 300 && !reason.contains('\n'))
        );
    }
}
