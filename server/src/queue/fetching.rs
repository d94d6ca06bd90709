//! Lending a runner the login that the leased build's repository is fetched with. A runner is lent it for its job alone, and only
//! for the address that it was given.

use std::time::Duration;

use slipway_runner::coordinator::{LeaseKey, Lending};

use super::{
    ServerCoordinator,
    fence::{ReportError, held},
    give_back::{Subject, subject},
};
use crate::{
    forge::{self, CredentialKind, Refusal, Standing},
    secrets::{Place, Secret},
    store::{self, StoreError, forge_credentials::SealedCredential},
};

/// How long the forge may take; a runner waits for little longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The login for the repository of the leased build.
///
/// The forge is asked outside of any transaction.
pub(super) async fn clone_login(server: &ServerCoordinator, lease: &LeaseKey) -> Result<Lending, ReportError> {
    let (mut tx, job) = held(server, lease).await?;
    let Subject::Build(build) = subject(&mut tx, &job).await? else { return Ok(no("a rollout fetches nothing")) };
    let repository = store::repositories::find(&mut tx.conn(), &build.repository_id).await?;
    let repository = repository.ok_or_else(|| StoreError::missing("repository", &build.repository_id))?;
    let all = store::forge_credentials::list(&mut tx.conn()).await?;
    let now = tx.now();
    tx.roll_back().await?;
    let found = forge::to_fetch(&all, &repository.name, &repository.clone_url);
    let (Some(sealed), Some(forges)) = (found, &server.forges) else {
        return Ok(no("there is no credential to fetch it with any more"));
    };
    // Only an App asks GitHub for anything.
    if sealed.kind == CredentialKind::App && sealed.resting_until > now {
        return Ok(Lending::NotNow { reason: "GitHub asked for a rest".to_owned() });
    }
    let opened = match server.credentials.unseal(Place::forge_credential(&sealed.name), &sealed.secret) {
        Ok(opened) => Secret::new(opened),
        Err(reason) => return Ok(Lending::No { reason }),
    };
    let credential = sealed.opened(opened);
    let asking = forge::login(forges, sealed, &credential, &repository.name);
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(login)) => Ok(Lending::Lent { login }),
        Ok(Err(refusal)) => refused(server, sealed, refusal).await,
        Err(_) => Ok(Lending::NotNow { reason: "GitHub does not answer".to_owned() }),
    }
}

fn no(why: &str) -> Lending {
    Lending::No { reason: why.to_owned() }
}

/// What a forge's refusal means; a rest that it asks for is kept.
async fn refused(
    server: &ServerCoordinator,
    sealed: &SealedCredential,
    Refusal { reason, standing }: Refusal,
) -> Result<Lending, ReportError> {
    Ok(match standing {
        Standing::Passes => Lending::NotNow { reason },
        Standing::Rests(rest) => {
            let mut tx = server.store.write().await?;
            let until = tx.now().saturating_add(i64::try_from(rest.as_millis()).unwrap_or(i64::MAX));
            store::forge_credentials::rest(&mut tx, &sealed.name, until).await?;
            tx.commit().await?;
            Lending::NotNow { reason }
        }
        Standing::Refused | Standing::Lasts => Lending::No { reason },
    })
}
