//! Who looks at a page, as the page's frame shows it.

use slipway_web::{
    frame::{Rights, Viewer},
    pages::{RepositoryHead, Tab},
};

use crate::access::{Principal, Role, Scope};

/// The viewer behind a principal.
pub(super) fn viewer(principal: &Principal) -> Viewer {
    match principal {
        Principal::Anonymous => Viewer::Anonymous,
        Principal::Runner { name, .. } => {
            Viewer::Known { name: name.clone(), here: Rights::Read, server: Rights::Read, has_account: false }
        }
        Principal::Known(known) => Viewer::Known {
            name: known.name.clone(),
            here: rights(principal.role_here()),
            server: rights(principal.role_in(&Scope::Server)),
            has_account: known.login.is_some(),
        },
    }
}

/// The same with what they may do in an environment, for pages that show several.
pub(super) fn viewer_in(principal: &Principal, repository: &str, environment: &str) -> Viewer {
    let scope = Scope::Environment { repository: repository.to_owned(), environment: environment.to_owned() };
    match viewer(principal) {
        Viewer::Known { name, server, has_account, .. } => {
            Viewer::Known { name, here: rights(principal.role_in(&scope)), server, has_account }
        }
        other => other,
    }
}

/// The head of a repository's pages, as whoever looks at them may use it.
pub(super) fn repository_head(principal: &Principal, name: impl Into<String>, tab: Tab) -> RepositoryHead {
    let name = name.into();
    let may_set_up = principal.role_in(&Scope::Repository(name.clone())) >= Some(Role::Administrator);
    RepositoryHead { name, tab, may_set_up }
}

fn rights(role: Option<Role>) -> Rights {
    match role {
        None => Rights::Nothing,
        Some(Role::Viewer) => Rights::Read,
        Some(Role::Developer) => Rights::Develop,
        Some(Role::Deployer) => Rights::Deploy,
        Some(Role::Administrator) => Rights::Administer,
    }
}
