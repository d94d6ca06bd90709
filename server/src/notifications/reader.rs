//! The reader: follows the events, keeps the alerts, and puts into the outbox what channels are to be told.

mod runner;

use std::{sync::Arc, time::Duration};

use slipway_web::links;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    About, ChannelKind, Message, NotificationState, Occasion,
    alert::{self, ACKNOWLEDGED, CLOSED, Ending},
};
use crate::{
    ids::{AlertId, ChannelId, EnvironmentId, NotificationId, RepositoryId},
    store::{
        self, Conn, JsonText, Store, StoreError, Tx,
        alerts::{self, Alert},
        channels,
        events::{self, Event},
        notifications::{self, Notification},
    },
};

/// How many events are read at once.
const PORTION: i64 = 100;
/// So many events that concern nobody are read again and again before the mark is moved past them: moving it is a write.
const UNMARKED: i64 = 1_000;
/// The longest between two looks: another server's bell may have been lost on the way.
const SWEEP: Duration = Duration::from_secs(60);
const MINUTE_MS: i64 = 60_000;

/// Reads until it is told to stop, and rings `told` when there may be something to send.
pub async fn run_reader(store: Store, told: Arc<Notify>, stop: CancellationToken) {
    let mut bell = store.bells().events();
    loop {
        // Taken before the look: what is committed after the look rings it.
        bell.borrow_and_update();
        match stop.run_until_cancelled(Box::pin(read_news(&store))).await {
            None => return,
            Some(Ok(())) => told.notify_one(),
            Some(Err(error)) => tracing::error!(%error, "cannot see who is to be told of what; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(SWEEP, bell.changed()) => {}
        }
    }
}

/// Reads all that is new. Several servers may do so at once: each event is told of by one.
///
/// # Errors
/// When the database fails; then what was not told of yet is still to be.
pub async fn read_news(store: &Store) -> Result<(), StoreError> {
    while read_portion(store).await? {}
    Ok(())
}

/// Whether there may be more.
async fn read_portion(store: &Store) -> Result<bool, StoreError> {
    let (mark, newest, news) = {
        let mut reader = store.read().await?;
        let mark = notifications::seen(&mut reader.conn()).await?;
        // Read before the news: ids become visible in their order, so that nothing up to this one can still come.
        let newest = events::last_id(&mut reader.conn()).await?;
        (mark, newest, notifications::news(&mut reader.conn(), mark, PORTION).await?)
    };
    let Some(last) = news.last() else {
        if newest - mark >= UNMARKED {
            let mut tx = store.write().await?;
            notifications::see(&mut tx, mark, newest).await?;
            tx.commit().await?;
        }
        return Ok(false);
    };
    let mut tx = store.write().await?;
    if !notifications::see(&mut tx, mark, last.id).await? {
        return Ok(true);
    }
    for event in &news {
        let savepoint = tx.savepoint().await?;
        match tell(&mut tx, event).await {
            Ok(()) => tx.release(savepoint).await?,
            // Nobody will ever read it: those behind it are told of all the same.
            Err(error) if error.is_unreadable() => {
                tracing::error!(%error, event = event.id, kind = event.kind, "nobody can be told of an event");
                tx.undo(savepoint).await?;
            }
            Err(error) => return Err(error),
        }
    }
    tx.commit().await?;
    Ok(true)
}

/// What is known of an event; what it is of may be gone by now.
struct News {
    message: Message,
    repository: Option<RepositoryId>,
    default_branch: String,
    /// What trouble would be of; none where nothing else would ever end it, as of a tag.
    subject: Option<String>,
    /// The number of the build or the release.
    number: i64,
    /// Whether it is not so any more: something newer went well already, or one more of an app's replicas is unwell.
    is_outdated: bool,
}

async fn tell(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    if event.kind == CLOSED {
        return tell_the_end(tx, event).await;
    }
    if event.kind == ACKNOWLEDGED {
        return tell_who_looks_after_it(tx, event).await;
    }
    if event.kind == runner::REVOKED {
        return runner::forget(tx, event).await;
    }
    let Some(occasion) = Occasion::of(&event.kind) else { return forget_environment(tx, event).await };
    let conn = &mut tx.conn();
    let found = match occasion {
        Occasion::BuildFailed | Occasion::BuildSucceeded => of_build(conn, event, occasion).await?,
        Occasion::AppUnwell | Occasion::AppWell => of_app(conn, event, occasion).await?,
        Occasion::ReleaseHeld | Occasion::ReleaseLive | Occasion::ReleaseFailed | Occasion::ReleaseBreached => {
            of_release(conn, event, occasion).await?
        }
        Occasion::RunnerSilent | Occasion::RunnerHeard | Occasion::DiskFull | Occasion::DiskFree => {
            runner::news(event, occasion)
        }
    };
    let Some(news) = found else { return Ok(()) };
    if occasion.is_trouble() { trouble(tx, event, news).await } else { plain(tx, event, news).await }
}

async fn trouble(tx: &mut Tx, event: &Event, mut news: News) -> Result<(), StoreError> {
    if news.is_outdated {
        return Ok(());
    }
    let Some(subject) = &news.subject else { return spread(tx, event, &news, None, &[]).await };
    let met = alert::meet(tx, subject, news.repository.as_ref(), news.number, &news.message).await?;
    if !met.is_new {
        return Ok(());
    }
    news.message = met.alert.message.0;
    spread(tx, event, &news, Some(&met.alert.id), &[]).await
}

/// News that is no trouble, and may be the end of some.
async fn plain(tx: &mut Tx, event: &Event, news: News) -> Result<(), StoreError> {
    if news.message.occasion == Occasion::ReleaseLive {
        forget_apps(tx, event, "another release is live").await?;
    }
    let is_good = news.message.occasion.is_good() && !news.is_outdated;
    let open = match &news.subject {
        Some(subject) if is_good => alerts::open_of(&mut tx.conn(), subject).await?,
        _ => None,
    };
    let mut told = Vec::new();
    if let Some(open) = open.filter(|open| news.number >= open.number) {
        let over = alert::end(tx, open, Ending::Mended(&news.message)).await?;
        // These are told by the alert's end.
        told = notifications::told_of(&mut tx.conn(), &over.id).await?;
    }
    spread(tx, event, &news, None, &told).await
}

/// Puts the message into the outbox for every channel that wants it, but for those named.
async fn spread(
    tx: &mut Tx,
    event: &Event,
    news: &News,
    alert: Option<&AlertId>,
    but: &[ChannelId],
) -> Result<(), StoreError> {
    let now = tx.now();
    for channel in channels::list(&mut tx.conn()).await? {
        let wanted = match channel.rule.wants(&news.message, &news.default_branch) {
            Ok(wanted) => wanted && !but.contains(&channel.id),
            Err(error) => {
                tracing::error!(channel = channel.name, %error, "a channel's rule cannot be read: set it anew");
                false
            }
        };
        let after = i64::from(channel.rule.after_minutes) * MINUTE_MS;
        let is_trouble = news.message.is_bad();
        // Of what has no end nobody can say that it lasts.
        if !wanted || (is_trouble && after > 0 && alert.is_none()) {
            continue;
        }
        let next_at = if is_trouble { now + after } else { now };
        notifications::add(tx, &waiting(channel.id, alert.cloned(), event, &news.message, now, next_at)).await?;
    }
    Ok(())
}

fn waiting(
    channel_id: ChannelId,
    alert_id: Option<AlertId>,
    event: &Event,
    message: &Message,
    now: i64,
    next_at: i64,
) -> Notification {
    Notification {
        id: NotificationId::new(),
        channel_id,
        alert_id,
        event_id: event.id,
        message: JsonText(message.clone()),
        state: NotificationState::Waiting,
        attempts: 0,
        next_at,
        reason: None,
        created_at: now,
        ended_at: None,
    }
}

/// Tells those who were told of a trouble that it is over.
async fn tell_the_end(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    let Some(alert) = alert_of(tx, event).await? else { return Ok(()) };
    let now = tx.now();
    for channel in notifications::told_of(&mut tx.conn(), &alert.id).await? {
        notifications::add(tx, &waiting(channel, Some(alert.id.clone()), event, &alert.message, now, now)).await?;
    }
    Ok(())
}

/// Tells PagerDuty that somebody looks after a trouble, so that it calls nobody else; for everybody else it would be noise.
async fn tell_who_looks_after_it(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    let Some(alert) = alert_of(tx, event).await?.filter(|alert| alert.closed_at.is_none()) else { return Ok(()) };
    let now = tx.now();
    let told = notifications::told_of(&mut tx.conn(), &alert.id).await?;
    let message = Message { trouble: Some(alert::trouble(&alert, false)), ..alert.message.0.clone() };
    for channel in channels::list(&mut tx.conn()).await? {
        if channel.kind == ChannelKind::PagerDuty && told.contains(&channel.id) {
            notifications::add(tx, &waiting(channel.id, Some(alert.id.clone()), event, &message, now, now)).await?;
        }
    }
    Ok(())
}

/// The alert that an event is of.
async fn alert_of(tx: &mut Tx, event: &Event) -> Result<Option<Alert>, StoreError> {
    let id = event.data.get("alert").and_then(|id| id.as_str()?.parse::<AlertId>().ok());
    match id {
        Some(id) => alerts::find(&mut tx.conn(), &id).await,
        None => Ok(None),
    }
}

/// An environment that is gone is no trouble any more.
async fn forget_environment(tx: &mut Tx, event: &Event) -> Result<(), StoreError> {
    let Some(environment) = &event.environment_id else { return Ok(()) };
    if let Some(open) = alerts::open_of(&mut tx.conn(), &of_environment(environment)).await? {
        let reason = "captain.yml no longer names the environment".to_owned();
        alert::end(tx, open, Ending::Closed { by: "slipway", reason }).await?;
    }
    forget_apps(tx, event, "captain.yml no longer names the environment").await
}

/// What was wrong with the apps of an environment is not what is wrong with those that it has now.
async fn forget_apps(tx: &mut Tx, event: &Event, reason: &str) -> Result<(), StoreError> {
    let Some(environment) = &event.environment_id else { return Ok(()) };
    for open in alerts::open_within(&mut tx.conn(), &of_apps(environment)).await? {
        alert::end(tx, open, Ending::Closed { by: "slipway", reason: reason.to_owned() }).await?;
    }
    Ok(())
}

fn of_environment(environment: &EnvironmentId) -> String {
    format!("environment {environment}")
}

/// What the subjects of an environment's apps begin with.
fn of_apps(environment: &EnvironmentId) -> String {
    format!("app {environment} ")
}

async fn of_build(conn: &mut Conn<'_>, event: &Event, occasion: Occasion) -> Result<Option<News>, StoreError> {
    let Some(id) = &event.build_id else { return Ok(None) };
    let Some(build) = store::builds::find(conn, id).await? else { return Ok(None) };
    let Some(repository) = store::repositories::find(conn, &build.repository_id).await? else { return Ok(None) };
    let message = Message {
        occasion,
        at: event.at,
        page: links::build(&repository.name, build.number),
        reason: reason_of(event),
        about: About::Build {
            number: build.number,
            reference: build.ref_name().to_owned(),
            commit: build.commit_sha.clone(),
            summary: build.message.lines().next().unwrap_or_default().to_owned(),
            author: build.author.clone(),
        },
        repository: repository.name,
        trouble: None,
    };
    Ok(Some(News {
        message,
        default_branch: repository.default_branch,
        subject: build.branch().map(|_| format!("build {} {}", build.repository_id, build.git_ref)),
        number: build.number,
        is_outdated: notifications::succeeded_later(conn, id).await?.is_some(),
        repository: Some(build.repository_id),
    }))
}

async fn of_release(conn: &mut Conn<'_>, event: &Event, occasion: Occasion) -> Result<Option<News>, StoreError> {
    let Some(id) = &event.release_id else { return Ok(None) };
    let Some(release) = store::releases::find(conn, id).await? else { return Ok(None) };
    let Some(environment) = store::environments::find(conn, &release.environment_id).await? else { return Ok(None) };
    let Some(repository) = store::repositories::find(conn, &environment.repository_id).await? else {
        return Ok(None);
    };
    let live = store::releases::live(conn, &environment.id).await?;
    let message = Message {
        occasion,
        at: event.at,
        page: links::release(&repository.name, &environment.name, release.number),
        reason: reason_of(event),
        about: About::Release {
            environment: environment.name,
            number: release.number,
            build: release.build_number,
            commit: release.commit_sha,
        },
        repository: repository.name,
        trouble: None,
    };
    Ok(Some(News {
        message,
        default_branch: repository.default_branch,
        subject: Some(of_environment(&environment.id)),
        number: release.number,
        // What was found wanting is told although the way back from it is live already.
        is_outdated: occasion != Occasion::ReleaseBreached && live.is_some_and(|live| live.number > release.number),
        repository: Some(environment.repository_id),
    }))
}

async fn of_app(conn: &mut Conn<'_>, event: &Event, occasion: Occasion) -> Result<Option<News>, StoreError> {
    let (Some(release), Some(app)) = (&event.release_id, event.data.get("app").and_then(|app| app.as_str())) else {
        return Ok(None);
    };
    let Some(release) = store::releases::find(conn, release).await? else { return Ok(None) };
    let Some(environment) = store::environments::find(conn, &release.environment_id).await? else { return Ok(None) };
    let Some(repository) = store::repositories::find(conn, &environment.repository_id).await? else {
        return Ok(None);
    };
    let standing = store::standing::find(conn, &environment.id).await?;
    let replicas = standing.map(|standing| standing.replicas.0).unwrap_or_default();
    let is_unwell = replicas.iter().any(|it| it.app == app && it.stays_unwell());
    let replica = event.data.get("replica").and_then(serde_json::Value::as_u64);
    let message = Message {
        occasion,
        at: event.at,
        page: links::environment(&repository.name, &environment.name),
        reason: event.data.get("found").and_then(|found| found.as_str()).map(str::to_owned),
        about: About::App {
            environment: environment.name,
            app: app.to_owned(),
            replica: replica.and_then(|replica| u32::try_from(replica).ok()).unwrap_or_default(),
            release: release.number,
        },
        repository: repository.name,
        trouble: None,
    };
    Ok(Some(News {
        message,
        default_branch: repository.default_branch,
        subject: Some(format!("{}{app}", of_apps(&environment.id))),
        number: release.number,
        // It is well when all of its replicas are.
        is_outdated: is_unwell != occasion.is_trouble(),
        repository: Some(environment.repository_id),
    }))
}

/// The reason that the event gives: what it is of may have moved on.
fn reason_of(event: &Event) -> Option<String> {
    event.data.get("reason").and_then(|reason| reason.as_str()).map(str::to_owned)
}
