//! Whose a domain, or a path of one, is: one app of one environment's, and nobody else's.

use slipway_pipelines::release::RunSpec;

use super::{Rollout, Setback};
use crate::{
    coordinator::ReleasedApp,
    proxy::{Claim, site::is_same},
    targets::docker::EnvironmentNames,
};

impl Rollout<'_> {
    /// How people call an app of this environment.
    pub(super) fn owner(&self, app: &str) -> String {
        format!("{app} in {} of {}", self.work.environment_name, self.work.repository_name)
    }

    /// That no two apps of the release have the same domain, and no other environment has one of theirs.
    pub(super) async fn check_domains(&self) -> Result<(), Setback> {
        let apps = &self.work.release.apps;
        if let Some((first, second, domain)) = twice(apps) {
            let reason =
                format!("the domain {domain} is {first}'s already; give {second} a domain or a path of its own");
            return Err(Setback::of(second, reason));
        }
        for app in apps {
            for domain in domains_of(&app.run) {
                self.check_free(&app.app, domain).await?;
            }
        }
        Ok(())
    }

    /// That no other environment's route holds the domain.
    pub(super) async fn check_free(&self, app: &str, domain: &str) -> Result<(), Setback> {
        let Some(proxy) = &self.ctx.proxy else { return Ok(()) };
        let claims = proxy.claims().await?;
        let Some(claim) = foreign(&claims, domain, self.target.names()) else { return Ok(()) };
        let other = if claim.owner.is_empty() { &claim.id } else { &claim.owner };
        let own = self.owner(app);
        let reason =
            format!("the domain {domain} is already served by {other}; give {own} a domain or a path of its own");
        Err(Setback::of(app, reason))
    }

    /// Whether any app of the release is reached by name.
    pub(super) fn is_routed(&self) -> bool {
        self.work.release.apps.iter().any(|app| app.run.domain.is_some() || app.run.preview.is_some())
    }
}

/// Everything that the app is to answer for, its preview's too.
fn domains_of(run: &RunSpec) -> impl Iterator<Item = &str> {
    run.domain.iter().chain(&run.preview).filter(|_| run.replicas > 0).map(String::as_str)
}

/// Two apps with one domain.
fn twice(apps: &[ReleasedApp]) -> Option<(&str, &str, &str)> {
    let all: Vec<(&str, &str)> =
        apps.iter().flat_map(|app| domains_of(&app.run).map(|domain| (app.app.as_str(), domain))).collect();
    all.iter().enumerate().find_map(|(position, (second, domain))| {
        let same = |(_, taken): &&(&str, &str)| is_same(taken, domain);
        all.iter().take(position).find(same).map(|(first, _)| (*first, *second, *domain))
    })
}

/// The route of another environment's that holds a domain. A domain may move between the environment's own apps.
fn foreign<'a>(claims: &'a [Claim], domain: &str, own: &EnvironmentNames) -> Option<&'a Claim> {
    let holds = |claim: &&Claim| claim.hosts.iter().any(|host| is_same(host, domain));
    claims.iter().filter(|claim| !own.owns_route(&claim.id)).find(holds)
}
