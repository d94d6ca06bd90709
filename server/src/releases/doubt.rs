//! Whether what is live is known to be well: time that passes while nobody looks, or while it is not, proves nothing.

use slipway_runner::coordinator::Condition;

use crate::{
    runners::Presence,
    store::{self, Conn, StoreError, environments::Environment, releases::Release},
};

/// Why nobody can say that all of what is live in the environment is well at `now`; none where its runner says so.
pub(super) async fn doubt(
    conn: &mut Conn<'_>,
    environment: &Environment,
    live: &Release,
    now: i64,
) -> Result<Option<String>, StoreError> {
    let wanted = || live.content.iter().flat_map(|app| (1..=app.run.replicas).map(move |replica| (&app.app, replica)));
    if wanted().next().is_none() {
        return Ok(None);
    }
    if environment.removed_at.is_some() {
        return Ok(Some("captain.yml no longer names it, and nobody looks after it".to_owned()));
    }
    let host = match store::placement::host(conn, &environment.id).await? {
        Some(host) => store::runners::find(conn, &host).await?,
        None => None,
    };
    let Some(host) = host else { return Ok(Some("no runner looks after it".to_owned())) };
    if !Presence::of(&host, now).is_there() {
        return Ok(Some(format!("its runner {} is not heard of", host.name)));
    }
    let standing = store::standing::find(conn, &environment.id).await?;
    let Some(standing) = standing.filter(|it| it.release_id == live.id && it.runner_id == host.id) else {
        return Ok(Some(format!("its runner {} has not told yet how it is", host.name)));
    };
    let condition = |app: &str, replica: u32| {
        let told = standing.replicas.iter().find(|told| told.app == app && told.replica == replica);
        told.map(|told| told.condition)
    };
    Ok(wanted().find_map(|(app, replica)| match condition(app, replica) {
        Some(Condition::Healthy) => None,
        Some(other) => Some(format!("{app} {replica} is {}", other.word().replace('_', " "))),
        None => Some(format!("nothing is known of {app} {replica}")),
    }))
}
