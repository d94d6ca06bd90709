//! The environment of the local commands. It is not configuration: the variables are those that captain and docker look
//! at, and the secrets that a captain.yml names.

/// The value of a variable that is set to valid Unicode and not empty.
#[expect(clippy::disallowed_methods, reason = "what a working tree's commands read is not the server's configuration")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
