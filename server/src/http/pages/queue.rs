//! `/queue`: what runs and what waits, in which order, and why.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Deserialize;
use slipway_web::{
    frame::{Frame, Section},
    pages::{QueuePage, QueueRow, QueueRunner},
};

use super::{Html, activity::of_job, viewer::viewer};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    http::{api::activity::open_jobs, api::lookup, errors::Problem, extract::Asked},
    queue::JobState,
    store::{Conn, events, jobs::Job, repositories::Repository, runners},
};

/// The jobs on the page.
const JOBS: i64 = 100;

pub(super) fn routes() -> Routes {
    Routes::new().get("/queue", Permission::Read, show)
}

/// Which jobs are asked for.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// Those of the repository of this name; all where it is empty.
    #[serde(default)]
    repository: String,
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Asked(wanted): Asked<Wanted>,
) -> Result<Html<QueuePage>, Problem> {
    let now = state.store.clock().now();
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let since = events::last_id(conn).await?;
    let name = wanted.repository.trim().to_owned();
    let of = match name.split_once('/') {
        _ if name.is_empty() => None,
        Some((owner, short)) => Some(lookup::repository(conn, owner, short).await?),
        None => return Err(Problem::not_found(format!("There is no repository {name}."))),
    };
    let (jobs, more) = open_jobs(conn, of.as_ref().map(|one| &one.id), JOBS).await?;
    let viewer = viewer(&principal);
    let may_cancel = viewer.may_develop();
    let (runners, waiting) = rows(conn, jobs, may_cancel, now).await?;
    Ok(Html::ok(QueuePage {
        frame: Frame::new("Queue", Section::Runners, viewer)
            .under("Runners", "/runners")
            .live(format!("/stream/home?from={since}")),
        repository: of.map_or_else(String::new, |of: Repository| of.name),
        all: "/queue".to_owned(),
        runners,
        waiting,
        more,
    }))
}

/// What runs, by runner; and what waits, in order.
async fn rows(
    conn: &mut Conn<'_>,
    jobs: Vec<Job>,
    may_cancel: bool,
    now: i64,
) -> Result<(Vec<QueueRunner>, Vec<QueueRow>), Problem> {
    let names: BTreeMap<String, String> =
        runners::list(conn).await?.into_iter().map(|runner| (runner.id, runner.name)).collect();
    let mut at_work: BTreeMap<String, Vec<QueueRow>> = BTreeMap::new();
    let mut waiting = Vec::new();
    for job in jobs {
        let Some(activity) = of_job(conn, &job, now).await? else { continue };
        let cancel = (may_cancel && job.build_id.is_some() && job.cancel_requested_at.is_none())
            .then(|| format!("{}/cancel", activity.address));
        let row = QueueRow { activity, cancel };
        match (job.state, &job.lease_owner) {
            (JobState::Leased, Some(runner)) => {
                let name = names.get(runner).cloned().unwrap_or_else(|| runner.clone());
                at_work.entry(name).or_default().push(row);
            }
            _ => waiting.push(row),
        }
    }
    let runner =
        |(name, rows): (String, Vec<QueueRow>)| QueueRunner { address: format!("/runners#runner-{name}"), name, rows };
    Ok((at_work.into_iter().map(runner).collect(), waiting))
}
