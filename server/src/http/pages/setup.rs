//! `/repositories/{owner}/{name}/setup`: what leads a connected repository to its first build. All of it is read from what
//! happened, so that the page may be left, and come back to.

use axum::extract::State;
use slipway_pipelines::detect::{RepositoryFacts, captain_yml, detect};
use slipway_web::{
    frame::{Frame, Section},
    links,
    pages::{SetupPage, Tab},
    time::When,
};
use url::{Host, Url};

use super::{
    Html,
    connect::forge_settings,
    deliveries::row,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    deliveries::Refusal,
    http::{
        api::{
            lookup,
            repositories::{self as api, Trial},
        },
        errors::Problem,
        extract::Named,
    },
    store::{
        builds,
        deliveries::{self, Which},
        events,
        repositories::Repository,
    },
};

/// The deliveries on the page.
const DELIVERIES: i64 = 3;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/repositories/{owner}/{name}/setup", Permission::Administer, show)
        .post("/repositories/{owner}/{name}/setup/test", Permission::Administer, test)
        .post("/repositories/{owner}/{name}/setup/hook-secret", Permission::Administer, renew_hook)
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Html<SetupPage>, Problem> {
    let repository = lookup::repository(&mut state.store.read().await?.conn(), &owner, &name).await?;
    let since = events::last_id(&mut state.store.read().await?.conn()).await?;
    let mut page = page(&state, &principal, &repository, None).await?;
    page.frame = page.frame.live(format!("/stream{}?from={since}", links::repository(&repository.name)));
    Ok(Html::ok(page))
}

async fn test(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Html<SetupPage>, Problem> {
    let trial = api::send_trial(&state, &principal, &owner, &name).await?;
    let repository = lookup::repository(&mut state.store.read().await?.conn(), &owner, &name).await?;
    Ok(Html::ok(page(&state, &principal, &repository, Some(trial)).await?))
}

/// The answer shows the secret, this once.
async fn renew_hook(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Html<SetupPage>, Problem> {
    let renewed = api::renew_hook_secret(&state, &principal, &owner, &name).await?;
    let page = page(&state, &principal, &renewed.repository, None).await?;
    Ok(Html::ok(SetupPage { secret: Some(renewed.secret.reveal().to_owned()), ..page }))
}

/// The page as things stand.
pub(super) async fn page(
    state: &AppState,
    principal: &Principal,
    repository: &Repository,
    trial: Option<Trial>,
) -> Result<SetupPage, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let which = Which { repository: Some(&repository.id), state: None };
    let found = deliveries::list(conn, which, None, DELIVERIES).await?;
    let last = found.first().map_or(0, |last| last.received_at);
    let mut came = Vec::new();
    for delivery in found {
        came.push(row(conn, delivery, now).await?);
    }
    let newest = builds::list(conn, &repository.id, None, None, 1).await?.pop();
    let refused = state.refusals.of(&repository.id).filter(|refusal| refusal.at > last);
    Ok(SetupPage {
        frame: Frame::new(format!("Set up {}", repository.name), Section::Repositories, viewer(principal)),
        head: repository_head(principal, repository.name.clone(), Tab::Settings),
        address: links::setup(&repository.name),
        clone_url: repository.clone_url.clone(),
        hook_url: api::hook_url(state, repository),
        secret: None,
        forge_settings: forge_settings(&repository.clone_url),
        is_https: state.public_url.scheme() == "https",
        unreachable: unreachable(&state.public_url),
        deliveries: came,
        refused: refused.map(|refusal| (explained(&refusal), When { at: refusal.at, now })),
        tried: trial.map(|trial| (trial.arrived, trial.detail)),
        captain_yml: first_captain_yml(&repository.name),
        default_branch: repository.default_branch.clone(),
        build: newest.map(|newest| (newest.number, links::build(&repository.name, newest.number), newest.state.into())),
    })
}

/// Why a delivery was refused, for whoever can mend it.
fn explained(refusal: &Refusal) -> String {
    match refusal.status {
        401 => {
            "its signature does not hold. The secret at GitHub is not the one that Slipway made: make a new one here, \
                and put it into the webhook's field Secret."
                .to_owned()
        }
        _ => refusal.reason.clone(),
    }
}

/// Why GitHub cannot reach an address, as far as the address itself tells.
fn unreachable(url: &Url) -> Option<String> {
    let is_private = match url.host()? {
        Host::Domain(name) => {
            name == "localhost"
                || !name.contains('.')
                || [".localhost", ".local", ".internal", ".lan", ".home.arpa"].iter().any(|end| name.ends_with(end))
        }
        Host::Ipv4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Host::Ipv6(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local(),
    };
    let host = url.host_str()?;
    is_private.then(|| {
        format!(
            "GitHub cannot reach {host}, which the internet does not know: set public_url to an address that leads here, \
             and start the server anew."
        )
    })
}

/// What `slipway detect` would write for a repository with one Dockerfile, pushed nowhere yet.
fn first_captain_yml(repository: &str) -> String {
    let files = ["Dockerfile".to_owned()];
    match detect(&files, &RepositoryFacts { repository }) {
        Ok(config) => format!("{}  push: false\n", captain_yml(&config)),
        // A name that no image can have.
        Err(_) => "app:\n  build: Dockerfile\n  image: shop/app\n  push: false\n".to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use slipway_pipelines::parse::parse;

    use super::*;

    #[test]
    fn addresses_that_the_internet_does_not_know_are_named() {
        for private in [
            "http://127.0.0.1:7878",
            "http://localhost",
            "https://build",
            "http://10.1.2.3",
            "http://[::1]:1",
            "https://ci.lan",
        ] {
            assert!(unreachable(&private.parse().unwrap()).is_some(), "{private}");
        }
        for public in ["https://ci.example.com", "http://203.0.113.7:7878"] {
            assert_eq!(unreachable(&public.parse().unwrap()), None, "{public}");
        }
    }

    #[test]
    fn the_first_captain_yml_can_be_read() {
        for repository in ["Acme/Shop", "acme/1.5", "a.b-c/_", "acme/shop"] {
            let text = first_captain_yml(repository);
            let read = parse("captain.yml", &text, &RepositoryFacts { repository });
            assert!(read.is_ok(), "{repository}: {text}");
        }
    }
}
