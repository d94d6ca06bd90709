//! Which repositories somebody sees.

use super::{Principal, Role, Scope};
use crate::store::{Conn, Seen, StoreError, repositories};

/// The most repositories that are looked through.
const MOST: i64 = 10_000;

/// The repositories that `principal` sees. Whoever got as far as a list unknown is let in by `public_read`, which shows all.
///
/// # Errors
/// When the database fails.
pub async fn seen_by(principal: &Principal, conn: &mut Conn<'_>) -> Result<Seen, StoreError> {
    let Principal::Known(known) = principal else { return Ok(Seen::All) };
    if known.role_in(&Scope::Server) >= Some(Role::Viewer) {
        return Ok(Seen::All);
    }
    let mut names = repositories::names(conn, MOST).await?;
    names.retain(|name| known.role_in(&Scope::Repository(name.clone())).is_some());
    Ok(Seen::These(names))
}
