//! Schedules: when they come, running one now, pausing.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{builds::BuildView, lookup, time::Time};
use crate::{
    access::{ApiRoutes, Permission, Principal},
    app::AppState,
    http::{errors::Problem, extract::Named, openapi::Made},
    schedules as domain,
    store::{
        Conn, Tx, audit,
        builds::Build,
        repositories::Repository,
        schedules::{self, Fire, Schedule},
    },
};

const ONE: &str = "/api/v1/repositories/{owner}/{name}/schedules/{schedule}/pause";

pub(super) fn routes() -> ApiRoutes {
    ApiRoutes::about("Schedules")
        .get(
            "/api/v1/repositories/{owner}/{name}/schedules",
            Permission::Read,
            "listSchedules",
            "The schedules of a repository; captain.yml names them all, and they come whole.",
            list,
        )
        .post(
            "/api/v1/repositories/{owner}/{name}/schedules/{schedule}/run",
            Permission::Develop,
            "runSchedule",
            "Queues a schedule's build now.",
            run,
        )
        .put(ONE, Permission::Develop, "pauseSchedule", "Pauses a schedule.", pause)
        .delete(ONE, Permission::Develop, "resumeSchedule", "Lets a schedule go on.", resume)
}

#[derive(Serialize, JsonSchema)]
struct Schedules {
    items: Vec<ScheduleView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Schedule")]
struct ScheduleView {
    name: String,
    cron: String,
    timezone: String,
    branch: String,
    /// When it comes next; none while it is paused.
    next_at: Option<Time>,
    is_paused: bool,
    /// The newest time at which it was kept.
    last: Option<FireView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeptTime")]
struct FireView {
    /// When it was due.
    due_at: Time,
    /// When its build was queued.
    fired_at: Time,
    /// How many times before it passed while no server ran, and were not made up for.
    missed: i64,
    build: Option<i64>,
}

impl From<Fire> for FireView {
    fn from(fire: Fire) -> Self {
        FireView { due_at: Time(fire.slot), fired_at: Time(fire.fired_at), missed: fire.missed, build: fire.build }
    }
}

async fn view(conn: &mut Conn<'_>, schedule: Schedule) -> Result<ScheduleView, Problem> {
    Ok(ScheduleView {
        last: schedules::last_fire(conn, &schedule.id).await?.map(FireView::from),
        next_at: schedule.next_at.map(Time),
        is_paused: schedule.paused_at.is_some(),
        name: schedule.name,
        cron: schedule.cron,
        timezone: schedule.timezone,
        branch: schedule.branch,
    })
}

async fn list(
    State(state): State<AppState>,
    Named((owner, name)): Named<(String, String)>,
) -> Result<Json<Schedules>, Problem> {
    let mut reader = state.store.read().await?;
    let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
    let mut items = Vec::new();
    for schedule in schedules::of_repository(&mut reader.conn(), &repository.id).await? {
        items.push(view(&mut reader.conn(), schedule).await?);
    }
    Ok(Json(Schedules { items }))
}

async fn run(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, schedule)): Named<(String, String, String)>,
) -> Result<Made<BuildView>, Problem> {
    Ok(Made(run_schedule(&state, &principal, &owner, &name, &schedule).await?.into()))
}

async fn pause(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, schedule)): Named<(String, String, String)>,
) -> Result<Json<ScheduleView>, Problem> {
    set_paused(&state, &principal, (&owner, &name, &schedule), true).await?;
    show(&state, &owner, &name, &schedule).await
}

async fn resume(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, schedule)): Named<(String, String, String)>,
) -> Result<Json<ScheduleView>, Problem> {
    set_paused(&state, &principal, (&owner, &name, &schedule), false).await?;
    show(&state, &owner, &name, &schedule).await
}

async fn show(state: &AppState, owner: &str, name: &str, schedule: &str) -> Result<Json<ScheduleView>, Problem> {
    let mut reader = state.store.read().await?;
    let (_, found) = find(&mut reader.conn(), owner, name, schedule).await?;
    Ok(Json(view(&mut reader.conn(), found).await?))
}

/// Queues a schedule's build now, for the API and for the page.
pub(in crate::http) async fn run_schedule(
    state: &AppState,
    principal: &Principal,
    owner: &str,
    name: &str,
    schedule: &str,
) -> Result<Build, Problem> {
    let mut tx = state.store.write().await?;
    let (repository, found) = find(&mut tx.conn(), owner, name, schedule).await?;
    let build = domain::run_now(&mut tx, &found).await?;
    note(&mut tx, principal, "schedule.run", &repository, schedule, json!({"build": build.number})).await?;
    tx.commit().await?;
    Ok(build)
}

/// Pauses a schedule or lets it go on, for the API and for the page.
pub(in crate::http) async fn set_paused(
    state: &AppState,
    principal: &Principal,
    (owner, name, schedule): (&str, &str, &str),
    is_paused: bool,
) -> Result<(), Problem> {
    let mut tx = state.store.write().await?;
    let (repository, found) = find(&mut tx.conn(), owner, name, schedule).await?;
    let action = if is_paused {
        domain::pause(&mut tx, &found).await?;
        "schedule.pause"
    } else {
        domain::resume(&mut tx, &found).await?;
        "schedule.resume"
    };
    note(&mut tx, principal, action, &repository, schedule, json!({})).await?;
    tx.commit().await?;
    Ok(())
}

async fn note(
    tx: &mut Tx,
    principal: &Principal,
    action: &str,
    repository: &Repository,
    schedule: &str,
    detail: serde_json::Value,
) -> Result<(), Problem> {
    let subject = format!("{} {schedule}", repository.name);
    Ok(audit::append(tx, &principal.actor(), action, &subject, detail).await?)
}

async fn find(conn: &mut Conn<'_>, owner: &str, name: &str, schedule: &str) -> Result<(Repository, Schedule), Problem> {
    let repository = lookup::repository(conn, owner, name).await?;
    let found = schedules::by_name(conn, &repository.id, schedule).await?;
    let missing = || Problem::not_found(format!("{} has no schedule {schedule}.", repository.name));
    let found = found.ok_or_else(missing)?;
    Ok((repository, found))
}
