//! `/settings/secrets`: which repository has which secrets.

use axum::extract::State;
use serde::Deserialize;
use slipway_web::{
    links,
    pages::{SecretsOf, SecretsPage, SettingsPlace},
};

use super::{Html, frame, head};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{errors::Problem, extract::Asked},
    store::{
        repositories,
        secrets::{self, SecretOf},
    },
};

const PAGE: &str = "/settings/secrets";
/// The secrets on a page: more than one repository may have.
const SECRETS: usize = 400;

pub(super) fn routes() -> Routes {
    Routes::new().get(PAGE, Permission::Administer, show)
}

/// Which page is asked for.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The last repository of the page before.
    after: Option<String>,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<SecretsPage>, Problem> {
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let limit = i64::try_from(SECRETS).unwrap_or(i64::MAX);
    let found = secrets::of_all(conn, wanted.after.as_deref().unwrap_or_default(), limit).await?;
    let is_full = found.len() == SECRETS;
    let mut repositories = grouped(found);
    // What was cut off is shown whole on the next page.
    let next = if is_full && repositories.len() > 1 { repositories.pop() } else { None };
    let next = next.and_then(|_| repositories.last()).map(|last| page_after(&last.repository));
    Ok(Html::ok(SecretsPage {
        frame: frame(SettingsPlace::Secrets, &principal),
        head: head(SettingsPlace::Secrets),
        is_connected: !repositories.is_empty() || !repositories::list(conn, "", 1).await?.is_empty(),
        repositories,
        next,
        first: wanted.after.map(|_| PAGE.to_owned()),
    }))
}

fn page_after(repository: &str) -> String {
    format!("{PAGE}?after={}", links::encode(repository))
}

/// Secrets in their order, by repository and environment.
fn grouped(secrets: Vec<SecretOf>) -> Vec<SecretsOf> {
    let mut all: Vec<SecretsOf> = Vec::new();
    for SecretOf { repository, environment, name } in secrets {
        if all.last().is_none_or(|last| last.repository != repository) {
            all.push(SecretsOf { address: links::settings(&repository), repository, places: Vec::new() });
        }
        let Some(of) = all.last_mut() else { continue };
        match of.places.last_mut() {
            Some((place, names)) if *place == environment => names.push(name),
            _ => of.places.push((environment, vec![name])),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_stand_with_their_repository_and_environment() {
        let one = |repository: &str, environment: &str, name: &str| SecretOf {
            repository: repository.to_owned(),
            environment: environment.to_owned(),
            name: name.to_owned(),
        };
        let all = grouped(vec![
            one("acme/mailer", "", "A"),
            one("acme/shop", "", "A"),
            one("acme/shop", "", "B"),
            one("acme/shop", "production", "A"),
        ]);
        let shown: Vec<String> = all.iter().map(|of| format!("{} {:?}", of.repository, of.places)).collect();
        assert_eq!(shown, [r#"acme/mailer [("", ["A"])]"#, r#"acme/shop [("", ["A", "B"]), ("production", ["A"])]"#]);
    }
}
