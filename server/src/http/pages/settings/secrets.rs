//! `/settings/secrets`: which repository has which secrets.

use axum::{
    extract::{DefaultBodyLimit, State},
    handler::Handler as _,
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use serde::Deserialize;
use slipway_web::{
    links,
    pages::{InstanceSecretForm, InstanceSecretRow, LimitsForm, SealingView, SecretsOf, SecretsPage, SettingsPlace},
    time::When,
};

use super::{Html, frame, given_to, head, limits_form, patterns, told};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{
        api::{LARGEST_BODY, instance_secrets as instance_api, secret_key as api},
        errors::Problem,
        extract::{Asked, Filled, Named},
    },
    secrets::Secret,
    store::{
        instance_secrets, repositories, sealing,
        secrets::{self, SecretOf},
    },
};

const PAGE: &str = "/settings/secrets";
/// The secrets on a page: more than one repository may have.
const SECRETS: usize = 400;

pub(super) fn routes() -> Routes {
    // A value may be as long as the API takes it.
    let set = set.layer(DefaultBodyLimit::max(LARGEST_BODY));
    Routes::new()
        .get(PAGE, Permission::Administer, show)
        .post(PAGE, Permission::Administer, set)
        .post("/settings/secrets/{name}/remove", Permission::Administer, remove)
        .post("/settings/secrets/rotate", Permission::Administer, rotate)
}

/// Which page is asked for.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// The last repository of the page before.
    after: Option<String>,
    /// The instance's secret that the form is to replace.
    replace: Option<String>,
    /// The instance's secret that was just set.
    set: Option<String>,
}

/// The form of a secret of the instance.
#[derive(Deserialize)]
struct Filling {
    name: String,
    value: Secret,
    #[serde(default)]
    repositories: String,
    /// Browsers send nothing of a box without a tick.
    #[serde(default)]
    all_repositories: bool,
    #[serde(default)]
    events: String,
    #[serde(default)]
    branches: String,
    #[serde(default)]
    tags: String,
    #[serde(default)]
    limits_shown: bool,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<SecretsPage>, Problem> {
    Ok(Html::ok(page(&state, &principal, wanted).await?))
}

async fn set(
    State(state): State<AppState>,
    principal: Principal,
    Filled(asked): Filled<Filling>,
) -> Result<Response, Problem> {
    let limits =
        LimitsForm { events: asked.events, branches: asked.branches, tags: asked.tags, is_shown: asked.limits_shown };
    let wanted = instance_api::Wanted {
        value: asked.value,
        repositories: patterns(&asked.repositories),
        all_repositories: asked.all_repositories,
        given_to: given_to(&limits),
    };
    let name = asked.name.trim().to_owned();
    let problem = match instance_api::put(&state, &principal, &name, wanted).await {
        Ok(()) => return Ok(Redirect::to(&format!("{PAGE}?set={}#instance", links::encode(&name))).into_response()),
        Err(problem) => told(problem)?,
    };
    let form = InstanceSecretForm {
        name,
        repositories: asked.repositories,
        all_repositories: asked.all_repositories,
        replaces: limits.is_shown,
        limits,
    };
    let page = SecretsPage { form, error: Some(problem), ..page(&state, &principal, Wanted::default()).await? };
    Ok(Html::with_status(StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn remove(
    State(state): State<AppState>,
    principal: Principal,
    Named(name): Named<String>,
) -> Result<Redirect, Problem> {
    instance_api::forget(&state, &principal, &name).await?;
    Ok(Redirect::to(&format!("{PAGE}#instance")))
}

async fn rotate(State(state): State<AppState>, principal: Principal) -> Result<Response, Problem> {
    let problem = match api::rotate_key(&state, &principal).await {
        Ok(_) => return Ok(Redirect::to(&format!("{PAGE}#key")).into_response()),
        Err(problem) => told(problem)?,
    };
    let page = SecretsPage { error: Some(problem), ..page(&state, &principal, Wanted::default()).await? };
    Ok(Html::with_status(StatusCode::CONFLICT, page).into_response())
}

async fn page(state: &AppState, principal: &Principal, wanted: Wanted) -> Result<SecretsPage, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let limit = i64::try_from(SECRETS).unwrap_or(i64::MAX);
    let found = secrets::of_all(conn, wanted.after.as_deref().unwrap_or_default(), limit).await?;
    let is_full = found.len() == SECRETS;
    let mut repositories = grouped(found);
    // What was cut off is shown whole on the next page.
    let next = if is_full && repositories.len() > 1 { repositories.pop() } else { None };
    let next = next.and_then(|_| repositories.last()).map(|last| page_after(&last.repository));
    let key = sealing::current(conn).await?.map(|key| SealingView {
        id: key.key_id,
        since: When { at: key.begun_at, now },
        is_alone: key.ended_at.is_some(),
        resealed: key.resealed,
        unopened: key.unopened,
    });
    let instance = instance_secrets::list(conn).await?;
    let named = |name: &Option<String>| instance.iter().find(|secret| Some(&secret.name) == name.as_ref());
    let form = named(&wanted.replace).map(|secret| InstanceSecretForm {
        name: secret.name.clone(),
        repositories: secret.repositories.as_ref().map(|patterns| patterns.0.join(", ")).unwrap_or_default(),
        all_repositories: secret.repositories.is_none(),
        limits: limits_form(&secret.given_to.0),
        replaces: true,
    });
    let note = named(&wanted.set).map(|secret| format!("The secret {} is set.", secret.name));
    let row = |secret: instance_secrets::InstanceSecret| InstanceSecretRow {
        replace: format!("{PAGE}?replace={}#set-secret", links::encode(&secret.name)),
        remove: format!("{PAGE}/{}/remove", links::encode(&secret.name)),
        name: secret.name,
        repositories: secret.repositories.map(|patterns| patterns.0),
        given_to: secret.given_to.0.words(),
        version: secret.version,
        when: When { at: secret.updated_at, now },
    };
    Ok(SecretsPage {
        form: form.unwrap_or_default(),
        note,
        instance: instance.into_iter().map(row).collect(),
        frame: frame(SettingsPlace::Secrets, principal),
        head: head(SettingsPlace::Secrets),
        is_connected: !repositories.is_empty() || !repositories::list(conn, "", 1).await?.is_empty(),
        repositories,
        next,
        first: wanted.after.map(|_| PAGE.to_owned()),
        key,
        error: None,
    })
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
