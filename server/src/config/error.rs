//! What a configuration is refused for.

use std::{io, path::PathBuf};

/// Why there is no configuration to start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not TOML, or a value has the wrong type.
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// What was expected.
        reason: String,
    },
    /// The file has a key that means nothing.
    #[error("{path}, line {line}: unknown key `{key}`; {hint}")]
    UnknownKey {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// The key with its table.
        key: String,
        /// The nearest known key, or all of them.
        hint: String,
    },
    /// Keys that mean something only together.
    #[error("{given} is set, but {missing} is not; {remedy}")]
    Incomplete {
        /// The key that is there.
        given: &'static str,
        /// The key that is missing.
        missing: &'static str,
        /// What the keys do together.
        remedy: &'static str,
    },
    /// A value that cannot be used.
    #[error("{key} = \"{value}\" cannot be used: {reason}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it and what is expected.
        reason: String,
    },
}
