//! Who looks at a page, as the page's frame shows it.

use slipway_web::frame::Viewer;

use crate::access::{Permission, Principal};

/// The viewer behind a principal.
pub(super) fn viewer(principal: &Principal) -> Viewer {
    match principal {
        Principal::Anonymous => Viewer::Anonymous,
        Principal::Runner { name, .. } => Viewer::Known { name: name.clone(), may_change: false },
        Principal::Bearer { name, .. } => {
            Viewer::Known { name: name.clone(), may_change: principal.has(Permission::Change, false) }
        }
    }
}
