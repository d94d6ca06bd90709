//! Who sent a request, as far as it was proved.

use super::{
    Role,
    grant::{self, Grant, Scope},
};
use crate::ids::{SessionId, TokenId, UserId};

/// Who sent a request, as far as it was proved.
#[derive(Debug, Clone)]
pub enum Principal {
    /// Nobody in particular.
    Anonymous,
    /// Somebody who is known, by a token or by a session.
    Known(Box<Known>),
    /// The bearer of a runner's token.
    Runner {
        /// The runner's id.
        id: String,
        /// Its name.
        name: String,
    },
}

/// How somebody logged in who has an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Whose account it is.
    pub user: UserId,
    /// Their session.
    pub session: SessionId,
}

/// Somebody who is known.
#[derive(Debug, Clone)]
pub struct Known {
    /// Their name, wherever their word counts.
    pub name: String,
    /// Whose account it is, where somebody came by their session or by a token of their own.
    pub person: Option<UserId>,
    /// The token of their own that they came by, with its name.
    pub own_token: Option<(TokenId, String)>,
    /// How they logged in, where they have an account.
    pub login: Option<Login>,
    /// Whether it came by a cookie, which browsers attach also to what other sites ask for.
    pub by_cookie: bool,
    /// What they may do: all of these must allow it.
    pub limits: Vec<Vec<Grant>>,
    /// What everybody may who can reach the server.
    pub floor: Option<Role>,
    /// What the request is about, as the layer found out.
    pub about: Scope,
}

impl Known {
    /// The role that they have there.
    #[must_use]
    pub fn role_in(&self, scope: &Scope) -> Option<Role> {
        let given = self.limits.iter().map(|grants| grant::role_in(grants, scope)).min().flatten();
        given.max(self.floor)
    }

    /// Whether they have any role anywhere.
    #[must_use]
    pub fn has_any_role(&self) -> bool {
        self.floor.is_some() || (!self.limits.is_empty() && self.limits.iter().all(|grants| !grants.is_empty()))
    }
}

impl Principal {
    /// The role that it has in what the request is about.
    #[must_use]
    pub fn role_here(&self) -> Option<Role> {
        match self {
            Principal::Known(known) => known.role_in(&known.about),
            Principal::Anonymous | Principal::Runner { .. } => None,
        }
    }

    /// The role that it has there.
    #[must_use]
    pub fn role_in(&self, scope: &Scope) -> Option<Role> {
        match self {
            Principal::Known(known) => known.role_in(scope),
            Principal::Anonymous | Principal::Runner { .. } => None,
        }
    }

    /// Whether it may release in what the request is about, and sees what only those may see.
    #[must_use]
    pub fn may_deploy(&self) -> bool {
        self.role_here() >= Some(Role::Deployer)
    }

    /// Whose account it is, where it is that of a person.
    #[must_use]
    pub fn person(&self) -> Option<&UserId> {
        match self {
            Principal::Known(known) => known.person.as_ref(),
            Principal::Anonymous | Principal::Runner { .. } => None,
        }
    }

    /// The token of their own that a person came by.
    #[must_use]
    pub fn own_token(&self) -> Option<&TokenId> {
        match self {
            Principal::Known(known) => known.own_token.as_ref().map(|(id, _)| id),
            Principal::Anonymous | Principal::Runner { .. } => None,
        }
    }

    /// Its name, where its word counts as somebody's.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Principal::Anonymous => "anonymous",
            Principal::Known(known) => &known.name,
            Principal::Runner { name, .. } => name,
        }
    }

    /// The name under which its changes stand in the audit log: of who came by a token of their own, with that.
    #[must_use]
    pub fn actor(&self) -> String {
        let own_token = match self {
            Principal::Known(known) => known.own_token.as_ref(),
            Principal::Anonymous | Principal::Runner { .. } => None,
        };
        own_token.map_or_else(|| self.name().to_owned(), |(_, token)| format!("{} via {token}", self.name()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    fn known(limits: &[&[(Role, Option<&str>)]], floor: Option<Role>) -> Known {
        let grants = |grants: &&[(Role, Option<&str>)]| {
            let grant = |(role, of): &(Role, Option<&str>)| Grant::new(*role, of.map(str::to_owned), None).unwrap();
            grants.iter().map(grant).collect()
        };
        let limits = limits.iter().map(grants).collect();
        let name = "ana".to_owned();
        Known {
            name,
            person: None,
            own_token: None,
            login: None,
            by_cookie: false,
            limits,
            floor,
            about: Scope::Server,
        }
    }

    #[test]
    fn the_audit_log_names_the_token_and_an_approval_the_person() {
        let own_token = Some((TokenId::new(), "laptop".to_owned()));
        let ana = Principal::Known(Box::new(Known { own_token, ..known(&[&[]], None) }));
        assert_eq!((ana.name(), ana.actor().as_str()), ("ana", "ana via laptop"));
        assert_eq!(Principal::Known(Box::new(known(&[&[]], None))).actor(), "ana");
    }

    #[test]
    fn what_is_limited_twice_is_never_more_than_either() {
        let shop = Scope::Repository("shop/web".to_owned());
        let person: &[_] = &[(Role::Developer, Some("shop/*"))];
        assert_eq!(known(&[person], None).role_in(&shop), Some(Role::Developer));
        let both = known(&[&[(Role::Administrator, None)], person], None);
        assert_eq!((both.role_in(&shop), both.role_in(&Scope::Server)), (Some(Role::Developer), None));
        let elsewhere = known(&[&[(Role::Viewer, Some("tools/*"))], person], None);
        assert_eq!(elsewhere.role_in(&shop), None);
    }

    #[test]
    fn nobody_has_a_role_without_a_grant() {
        for none in [known(&[], None), known(&[&[]], None), known(&[&[(Role::Administrator, None)], &[]], None)] {
            assert_eq!(none.role_in(&Scope::Server), None);
        }
        assert!(!known(&[&[]], None).has_any_role() && !known(&[], None).has_any_role());
        let reads = known(&[&[]], Some(Role::Viewer));
        assert_eq!(reads.role_in(&Scope::Server), Some(Role::Viewer), "as everybody may read");
        assert!(reads.has_any_role());
    }
}
