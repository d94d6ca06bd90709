//! Who looks at a page, as the page's frame shows it.

use slipway_web::frame::{Rights, Viewer};

use crate::access::{Permission, Principal};

/// The viewer behind a principal.
pub(super) fn viewer(principal: &Principal) -> Viewer {
    match principal {
        Principal::Anonymous => Viewer::Anonymous,
        Principal::Runner { name, .. } | Principal::Bearer { name, .. } => {
            let rights = rights(principal);
            Viewer::Known { name: name.clone(), here: rights, server: rights }
        }
    }
}

/// The most that a principal may do.
fn rights(principal: &Principal) -> Rights {
    let all = [
        (Permission::Administer, Rights::Administer),
        (Permission::Deploy, Rights::Deploy),
        (Permission::Develop, Rights::Develop),
        (Permission::Read, Rights::Read),
    ];
    all.into_iter()
        .find(|(permission, _)| principal.has(*permission, false))
        .map_or(Rights::Nothing, |(_, rights)| rights)
}
