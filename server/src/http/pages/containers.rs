//! `/repositories/{owner}/{name}/environments/{environment}/containers/{container}`: one container, and what it writes.

use std::time::Duration;

use axum::extract::State;
use slipway_runner::coordinator::{LogQuestion, LogStream};
use slipway_web::{
    container_log::ContainerLogRows,
    frame::{Frame, Section},
    links,
    logs::{PAGE_BYTES, Stream},
    pages::{ContainerPage, RecentLines, Tab},
    time::When,
};

use super::{
    Html, replicas,
    viewer::{repository_head, viewer},
};
use crate::{
    access::{Permission, Principal, Routes},
    app::AppState,
    environments::{LogWish, RecentLog, RecentLogError, recent_log},
    http::{
        api::{
            container_logs::{LINES, Moment, WantedLines},
            lookup,
        },
        errors::{Problem, sentence},
        extract::{Asked, Named},
    },
    store::{self, releases},
};

/// How long a page waits for its lines.
const PATIENCE: Duration = Duration::from_secs(6);

pub(super) fn routes() -> Routes {
    Routes::new().get(
        "/repositories/{owner}/{name}/environments/{environment}/containers/{container}",
        Permission::Deploy,
        show,
    )
}

async fn show(
    State(state): State<AppState>,
    principal: Principal,
    Named((owner, name, environment, container)): Named<(String, String, String, String)>,
    Asked(wanted): Asked<WantedLines>,
) -> Result<Html<ContainerPage>, Problem> {
    let now = state.store.clock().now();
    let told_at = state.store.lease_time().await?;
    // No connection is held while the runner is waited for.
    let mut reader = state.store.read().await?;
    let conn = &mut reader.conn();
    let repository = lookup::repository(conn, &owner, &name).await?;
    let environment = lookup::environment(conn, &repository, &environment).await?;
    let replicas = replicas::rows(conn, &environment, None, told_at).await?;
    let replica = replicas.into_iter().find(|replica| replica.container == container);
    let drifts = match &replica {
        Some(replica) => replicas::drifts_of(conn, &environment, (&replica.app, replica.replica), now).await?,
        None => Vec::new(),
    };
    let live = releases::live(conn, &environment.id).await?.filter(|_| replica.is_some());
    let runner = match store::placement::host(conn, &environment.id).await? {
        Some(id) => store::runners::find(conn, &id).await?.map(|runner| runner.name),
        None => None,
    };
    drop(reader);
    let wish = LogWish { container, lines: wanted.lines()?, since: wanted.since() };
    let log = match recent_log(&state.store, &environment, &wish, PATIENCE).await {
        Ok(log) => drawn(&log, &wish, state.store.clock().now()),
        Err(error @ RecentLogError::Gone(_)) if replica.is_none() => return Err(error.into()),
        Err(error @ (RecentLogError::Refused { .. } | RecentLogError::Store(_))) => return Err(error.into()),
        Err(error) => unread(&error, &wish),
    };
    let title = match &replica {
        Some(replica) => format!("{} {}, {} of {}", replica.app, replica.replica, environment.name, repository.name),
        None => format!("{}, {} of {}", wish.container, environment.name, repository.name),
    };
    Ok(Html::ok(ContainerPage {
        frame: Frame::new(title, Section::Repositories, viewer(&principal)),
        environment_address: links::environment(&repository.name, &environment.name),
        address: links::container(&repository.name, &environment.name, &wish.container),
        release: live.map(|live| {
            let address = links::release(&repository.name, &environment.name, live.number);
            (live.number, address, When { at: live.finished_at.unwrap_or(live.created_at), now })
        }),
        head: repository_head(&principal, repository.name, Tab::Environments),
        environment: environment.name,
        container: wish.container,
        replica,
        runner,
        log,
        drifts,
    }))
}

/// Nothing, and why.
fn unread(error: &RecentLogError, wish: &LogWish) -> RecentLines {
    RecentLines { unread: Some(sentence(error)), ..asked(wish) }
}

fn asked(wish: &LogWish) -> RecentLines {
    RecentLines {
        wanted: wish.lines,
        offered: vec![LINES, LogQuestion::MOST_LINES],
        cursor: wish.since.map(|since| Moment(since).to_string()),
        ..RecentLines::default()
    }
}

fn drawn(log: &RecentLog, wish: &LogWish, now: i64) -> RecentLines {
    let lines = log.lines.iter().map(|line| {
        let stream = match line.stream {
            LogStream::Out => Stream::Out,
            LogStream::Err => Stream::Err,
            LogStream::Slipway => Stream::Slipway,
        };
        (line.at, stream, line.text.as_str())
    });
    let rows = ContainerLogRows::draw(now, lines);
    // Who asks for more than is usual gets it, however much it is.
    let (rows, is_cut) = if wish.lines <= LINES { rows.within(PAGE_BYTES) } else { (rows, false) };
    let rows = match (log.is_cut || is_cut, wish.since) {
        (true, None) => rows.below("Earlier lines are not shown."),
        (true, Some(_)) => rows.below("Here more lines were written than are shown."),
        (false, _) => rows,
    };
    let asked = asked(wish);
    let last = log.lines.iter().map(|line| line.at).max().map(|at| Moment(at).to_string());
    RecentLines { rows, cursor: last.or(asked.cursor.clone()), ..asked }
}
