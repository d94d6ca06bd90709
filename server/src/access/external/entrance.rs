//! Who may come in from elsewhere, and as what.

use std::collections::BTreeMap;

use super::Identity;
use crate::access::Role;

/// Who may log in with a provider, and as what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entrance {
    /// Whether somebody who is not known here yet becomes a person.
    pub create: bool,
    /// The domains of verified addresses of mail that are let in; empty for all.
    pub domains: Vec<String>,
    /// The groups, or organisations of GitHub, of which one lets in; empty for all.
    pub groups: Vec<String>,
    /// What the provider must say of everybody who is let in.
    pub claims: BTreeMap<String, String>,
    /// The role in the whole server that a new person begins with; none for none at all.
    pub role: Option<Role>,
    /// The role in the whole server that each group gives, for as long as somebody belongs to it.
    pub roles: BTreeMap<String, Role>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntranceError {
    /// Their address of mail is of another domain, or not verified.
    #[error(
        "{shown} has no verified address at {domains}, and others are not let in with {provider}. Log in there with another account, or ask an administrator"
    )]
    Domain {
        /// The account.
        shown: String,
        /// The provider's name.
        provider: String,
        /// The domains.
        domains: String,
    },
    /// They belong to nothing that lets in.
    #[error(
        "{shown} belongs to none of {groups}, and others are not let in with {provider}. Log in there with another account, or ask an administrator"
    )]
    Group {
        /// The account.
        shown: String,
        /// The provider's name.
        provider: String,
        /// The groups.
        groups: String,
    },
    /// The provider says something else of them than it must.
    #[error(
        "{provider} does not say of {shown} that `{claim}` is what it must be to be let in. Log in there with another account, or ask an administrator"
    )]
    Claim {
        /// The account.
        shown: String,
        /// The provider's name.
        provider: String,
        /// What it should say.
        claim: String,
    },
}

impl Entrance {
    /// Whether anything keeps anybody out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.domains.is_empty() && self.groups.is_empty() && self.claims.is_empty()
    }

    /// Whether an account may log in with the provider of this name.
    ///
    /// # Errors
    /// [`EntranceError`] says what it lacks.
    pub fn admit(&self, identity: &Identity, provider: &str) -> Result<(), EntranceError> {
        let (shown, provider) = (identity.shown.clone(), provider.to_owned());
        if let Some((claim, _)) = self.claims.iter().find(|(claim, value)| identity.claims.get(*claim) != Some(*value))
        {
            return Err(EntranceError::Claim { shown, provider, claim: claim.clone() });
        }
        let domain = identity.verified_email.as_deref().and_then(|email| Some(email.rsplit_once('@')?.1));
        let is_at_home = |wanted: &String| domain.is_some_and(|domain| domain.eq_ignore_ascii_case(wanted));
        if !self.domains.is_empty() && !self.domains.iter().any(is_at_home) {
            return Err(EntranceError::Domain { shown, provider, domains: self.domains.join(", ") });
        }
        if !self.groups.is_empty() && !self.groups.iter().any(|group| identity.groups.contains(group)) {
            return Err(EntranceError::Group { shown, provider, groups: self.groups.join(", ") });
        }
        Ok(())
    }

    /// The most that the account's groups give.
    #[must_use]
    pub fn role_of_groups(&self, identity: &Identity) -> Option<Role> {
        let held = self.roles.iter().filter(|(group, _)| identity.groups.contains(*group));
        held.map(|(_, role)| *role).max()
    }

    /// The groups that are worth asking for: those that let in, and those that give a role.
    pub(super) fn worth_asking(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().chain(self.roles.keys()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ana() -> Identity {
        Identity {
            shown: "ana".to_owned(),
            verified_email: Some("ana@Example.com".to_owned()),
            groups: ["staff", "deployers"].map(str::to_owned).into(),
            claims: [("hd".to_owned(), "example.com".to_owned())].into(),
            ..Identity::default()
        }
    }

    fn said(entrance: &Entrance, identity: &Identity) -> String {
        entrance.admit(identity, "Company").map_or_else(|error| error.to_string(), |()| "in".to_owned())
    }

    #[test]
    fn who_lacks_something_is_told_what() {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let domains = Entrance { domains: own(&["example.org", "example.com"]), ..Entrance::default() };
        assert_eq!(said(&domains, &ana()), "in");
        for email in [None, Some("ana@example.com.evil.example"), Some("ana@evilexample.com"), Some("example.com")] {
            let other = Identity { verified_email: email.map(str::to_owned), ..ana() };
            assert!(said(&domains, &other).contains("no verified address at example.org, example.com"), "{email:?}");
        }
        let groups = Entrance { groups: own(&["staff"]), ..Entrance::default() };
        assert_eq!(said(&groups, &ana()), "in");
        let outside = Identity { groups: ["Staff".to_owned()].into(), ..ana() };
        assert!(said(&groups, &outside).contains("belongs to none of staff"));
        let claims = Entrance { claims: [("hd".to_owned(), "example.com".to_owned())].into(), ..Entrance::default() };
        assert_eq!(said(&claims, &ana()), "in");
        assert!(said(&claims, &Identity { claims: BTreeMap::new(), ..ana() }).contains("`hd`"));
        assert!(Entrance::default().is_open() && !claims.is_open() && !groups.is_open() && !domains.is_open());
    }

    #[test]
    fn groups_give_the_most_of_their_roles() {
        let roles = [("deployers", Role::Deployer), ("staff", Role::Viewer), ("admins", Role::Administrator)];
        let roles = roles.map(|(group, role)| (group.to_owned(), role)).into();
        let entrance = Entrance { roles, ..Entrance::default() };
        assert_eq!(entrance.role_of_groups(&ana()), Some(Role::Deployer));
        assert_eq!(entrance.role_of_groups(&Identity::default()), None);
    }
}
