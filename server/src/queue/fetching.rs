//! Lending a runner the login that the leased build's repository is fetched with. A runner is lent it for its job alone, and only
//! for the address that it was given.

use slipway_runner::coordinator::{CloneLogin, LeaseKey};

use super::{
    ServerCoordinator,
    fence::{ReportError, held},
    give_back::{Subject, subject},
};
use crate::{
    forge::{self, Standing},
    secrets::{Place, Secret},
    store::{self, StoreError},
};

/// The login for the repository of the leased build.
///
/// The forge is asked outside of any transaction.
pub(super) async fn clone_login(server: &ServerCoordinator, lease: &LeaseKey) -> Result<CloneLogin, ReportError> {
    let (mut tx, job) = held(server, lease).await?;
    let refused = |why: &str| Err(ReportError::Refused(why.to_owned()));
    let Subject::Build(build) = subject(&mut tx, &job).await? else { return refused("a rollout fetches nothing") };
    let repository = store::repositories::find(&mut tx.conn(), &build.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &build.repository_id))?;
    let all = store::forge_credentials::list(&mut tx.conn()).await?;
    tx.roll_back().await?;
    let found = forge::to_fetch(&all, &repository.name, &repository.clone_url);
    let (Some(sealed), Some(forges)) = (found, &server.forges) else {
        return refused("there is no credential to fetch it with any more");
    };
    let opened = server.credentials.unseal(Place::forge_credential(&sealed.name), &sealed.secret);
    let credential = sealed.opened(opened.map(Secret::new).map_err(ReportError::Refused)?);
    forge::login(forges, sealed, &credential, &repository.name).await.map_err(|refusal| match refusal.standing {
        Standing::Passes => ReportError::ForNow(refusal.reason),
        Standing::Refused | Standing::Rests(_) | Standing::Lasts => ReportError::Refused(refusal.reason),
    })
}
