//! Who somebody is elsewhere.

use std::collections::{BTreeMap, BTreeSet};

/// Who somebody is elsewhere, as it was proved just now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Who says so: the issuer, or the address of GitHub.
    pub issuer: String,
    /// The account's id there. It stays with the account whatever that is called, and no other account is given it.
    pub subject: String,
    /// What people know the account by, such as an address of mail; for showing only.
    pub shown: String,
    /// What its owner would be called here; for new people only.
    pub name: String,
    /// The address of mail that the provider has verified.
    pub verified_email: Option<String>,
    /// What the account belongs to.
    pub groups: BTreeSet<String>,
    /// What else the provider says of it, where it is a text.
    pub claims: BTreeMap<String, String>,
}
