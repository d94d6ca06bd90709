//! Why there are no files.

use super::{address::CloneAddress, gate::Refusal};

/// What kept a commit from being checked out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckoutError {
    /// The address is of a kind that is not fetched from.
    #[error("the clone address `{address}` is not allowed: {why}")]
    Address {
        /// The address, without its password.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The ref or the commit is not written as one.
    #[error("{0}")]
    Malformed(String),
    /// Nobody answers at the address, or it is refused.
    #[error(
        "cannot fetch from {address}: {cause}. Check that the address is right and that this runner can reach and read \
         the repository"
    )]
    Unreachable {
        /// The address, without its password.
        address: String,
        /// What went wrong.
        cause: String,
    },
    /// What was fetched leads to a server that is not everybody's.
    #[error(
        "{host} is an internal address, and a commit or a redirect leads there: name it under `internal_hosts` of the \
         runner if it may be fetched from"
    )]
    Internal {
        /// The server, `host:port`.
        host: String,
    },
    /// What was fetched leads to a server whose certificate nobody here trusts.
    #[error(
        "{host} shows a certificate that this runner does not trust: {cause}. If it is the right one, add its authority to \
         those of the runner's machine, or name a file that holds it in the runner's SSL_CERT_FILE"
    )]
    Untrusted {
        /// The server, `host:port`.
        host: String,
        /// What is wrong with the certificate.
        cause: String,
    },
    /// A server that is asked by https leads to an address that is not.
    #[error(
        "{host} leads from https to an address without: nothing is fetched in the clear that was asked for encrypted"
    )]
    Downgrade {
        /// The server, `host:port`.
        host: String,
    },
    /// A submodule has no files.
    #[error("the submodule `{path}`: {cause}")]
    Submodule {
        /// Its path in the repository.
        path: String,
        /// Why.
        cause: Box<CheckoutError>,
    },
    /// A file that the repository keeps in Git LFS was not to be had.
    #[error("Git LFS: {0}")]
    LargeFiles(String),
    /// The server knows neither the ref nor the commit.
    #[error("{name} is not on the server: it was deleted, or never existed")]
    UnknownRef {
        /// The branch or tag in words, such as ``the branch `main` ``.
        name: String,
    },
    /// The server knows the ref, but the commit is gone.
    #[error("commit {commit} is no longer on the server: it was probably force-pushed away")]
    Gone {
        /// The commit.
        commit: String,
    },
    /// The commit that was asked for is not part of the ref's history.
    #[error("commit {commit} is not on {name}")]
    NotOn {
        /// The commit.
        commit: String,
        /// The branch or tag in words.
        name: String,
    },
    /// The forge has no merge of a pull request's tip.
    #[error(
        "{name} holds no merge of {tip}: it conflicts with its target, or the forge has not merged it yet. Resolve the \
         conflict and push, or build it again"
    )]
    NotMerged {
        /// The ref, `refs/pull/7/merge`.
        name: String,
        /// The tip of the pull request's branch.
        tip: String,
    },
    /// More was sent than a checkout may receive.
    #[error("the repository sent more than {limit} bytes, which is more than this runner takes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The commit would be larger than a checkout may be.
    #[error("the commit {0}, which is more than this runner writes out")]
    Oversized(String),
    /// It took too long.
    #[error("the checkout was not done after {seconds} s")]
    TooSlow {
        /// The limit in seconds.
        seconds: u64,
    },
    /// It was stopped on request.
    #[error("the checkout was cancelled")]
    Cancelled,
    /// There is no room for what was fetched.
    #[error("the runner's disk is full: {cause}. Make room where its data folder is, and build it again")]
    DiskFull {
        /// What the system said.
        cause: String,
    },
    /// The mirror or the disk failed.
    #[error("the checkout failed: {0}")]
    Git(String),
}

impl CheckoutError {
    /// What came of an address whose server was not reached.
    pub(super) fn turned_away(refusal: Refusal, address: &CloneAddress) -> Self {
        match refusal {
            Refusal::Internal { host } => CheckoutError::Internal { host },
            Refusal::Untrusted { host, cause } => CheckoutError::Untrusted { host, cause },
            Refusal::Downgrade { host } => CheckoutError::Downgrade { host },
            Refusal::Silent { cause } => CheckoutError::Unreachable { address: address.shown().to_owned(), cause },
        }
    }

    /// The same with the submodule that it is about; what ends the whole checkout stays as it is.
    pub(super) fn of_submodule(self, path: &str) -> Self {
        match self {
            CheckoutError::Cancelled | CheckoutError::TooSlow { .. } => self,
            cause => CheckoutError::Submodule { path: path.to_owned(), cause: Box::new(cause) },
        }
    }
}

impl From<git2::Error> for CheckoutError {
    fn from(error: git2::Error) -> Self {
        CheckoutError::Git(error.message().to_owned())
    }
}

impl From<std::io::Error> for CheckoutError {
    fn from(error: std::io::Error) -> Self {
        CheckoutError::Git(error.to_string())
    }
}
