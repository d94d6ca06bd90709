//! `/settings/schedules`: the schedules of all repositories.

use std::collections::HashMap;

use axum::extract::State;
use slipway_web::{
    links,
    pages::{SchedulesPage, SchedulesRow, SettingsPlace},
};

use super::{Html, frame, head};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{errors::Problem, pages::repositories::schedule_row},
    ids::RepositoryId,
    store::{repositories, schedules},
};

/// The schedules on the page.
const SCHEDULES: usize = 200;
/// The most that are counted.
const COUNTED: i64 = 2_000;

pub(super) fn routes() -> Routes {
    Routes::new().get("/settings/schedules", Permission::Administer, show)
}

async fn show(State(state): State<AppState>, principal: Principal) -> Result<Html<SchedulesPage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let mut found = schedules::all(conn, COUNTED).await?;
    let more = found.len().saturating_sub(SCHEDULES);
    found.truncate(SCHEDULES);
    let mut names: HashMap<RepositoryId, String> = HashMap::new();
    let mut rows = Vec::new();
    for schedule in found {
        if !names.contains_key(&schedule.repository_id)
            && let Some(repository) = repositories::find(conn, &schedule.repository_id).await?
        {
            names.insert(repository.id, repository.name);
        }
        let Some(repository) = names.get(&schedule.repository_id) else { continue };
        rows.push(SchedulesRow {
            repository: repository.clone(),
            repository_address: links::repository(repository),
            schedule: schedule_row(conn, repository, schedule, now).await?,
        });
    }
    Ok(Html::ok(SchedulesPage {
        frame: frame(SettingsPlace::Schedules, &principal),
        head: head(SettingsPlace::Schedules),
        schedules: rows,
        more,
    }))
}
