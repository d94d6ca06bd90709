//! Why somebody did not prove who they are.

/// The most characters of what a provider says that are passed on.
const KEPT: usize = 200;

/// Why somebody did not prove who they are. Its text is for people, and holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    /// The provider did not answer, or not as it should.
    #[error("{provider} cannot be asked now: {reason}. Try again, or log in in another way")]
    Unreached {
        /// The provider's name.
        provider: String,
        /// What happened.
        reason: String,
    },
    /// The provider says no.
    #[error("{provider} refused the login: {reason}. Start again from the login page")]
    Refused {
        /// The provider's name.
        provider: String,
        /// What it said.
        reason: String,
    },
    /// What the provider says does not prove anything.
    #[error(
        "what {provider} said proves nothing: {reason}. Start again from the login page; if it stays so, tell an administrator"
    )]
    Untrusted {
        /// The provider's name.
        provider: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a provider said, as one bounded line of plain text.
pub(super) fn short(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").trim_end_matches(['.', '!']).chars().take(KEPT).collect()
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn what_a_provider_says_is_a_bounded_line() {
        assert_eq!(short("No\n\u{7}such  client.\r\n"), "No such client");
        assert_eq!(short(&"x ".repeat(500)).chars().count(), 200);
    }
}
