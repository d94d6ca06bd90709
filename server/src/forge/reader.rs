//! The reader: follows the events, and puts into the outbox what forges are to show.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{for_repository, read};
use crate::store::{
    Store, StoreError, Tx, builds,
    events::{self, Event},
    forge_credentials::{self, SealedCredential},
    forge_reports,
    repositories::{self, Repository},
};

/// How many events are read at once.
const PORTION: i64 = 100;
/// So many events that concern no forge are read again and again before the mark is moved past them: moving it is a write.
const UNMARKED: i64 = 1_000;
/// The longest between two looks: another server's bell may have been lost on the way.
const SWEEP: Duration = Duration::from_secs(60);

/// Reads until it is told to stop, and rings `told` when there may be something to send.
pub async fn run_reader(store: Store, told: Arc<Notify>, stop: CancellationToken) {
    let mut bell = store.bells().events();
    loop {
        // Taken before the look: what is committed after the look rings it.
        bell.borrow_and_update();
        match stop.run_until_cancelled(Box::pin(read_reports(&store))).await {
            None => return,
            // A credential that was set anew has what waited sent at once.
            Some(Ok(has_news)) if has_news || is_due(&store).await => told.notify_one(),
            Some(Ok(_)) => {}
            Some(Err(error)) => tracing::error!(%error, "cannot see what forges are to show; trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tokio::time::timeout(SWEEP, bell.changed()) => {}
        }
    }
}

/// Reads all that is new; tells whether there was anything. Several servers may do so at once: each event is read by one.
///
/// # Errors
/// When the database fails; then what was not read yet is still to be.
pub async fn read_reports(store: &Store) -> Result<bool, StoreError> {
    let mut has_news = false;
    while read_portion(store).await? {
        has_news = true;
    }
    Ok(has_news)
}

/// Whether a report is due that nobody sends; where that cannot be known, its courier looks by itself.
async fn is_due(store: &Store) -> bool {
    let Ok(mut reader) = store.read().await else { return false };
    let next = forge_reports::next_due(&mut reader.conn()).await;
    next.is_ok_and(|next| next.is_some_and(|at| at <= store.clock().now()))
}

/// Whether there may be more.
async fn read_portion(store: &Store) -> Result<bool, StoreError> {
    let (credentials, mark, newest, news) = {
        let mut reader = store.read().await?;
        let conn = &mut reader.conn();
        let credentials = forge_credentials::list(conn).await?;
        let mark = forge_reports::seen(conn).await?;
        // Read before the news: ids become visible in their order, so that nothing up to this one can still come.
        let newest = events::last_id(conn).await?;
        // Without a credential there is nobody to tell anything.
        let news = if credentials.is_empty() { Vec::new() } else { forge_reports::news(conn, mark, PORTION).await? };
        (credentials, mark, newest, news)
    };
    let Some(last) = news.last() else {
        if newest - mark >= UNMARKED {
            let mut tx = store.write().await?;
            forge_reports::see(&mut tx, mark, newest).await?;
            tx.commit().await?;
        }
        return Ok(false);
    };
    let mut tx = store.write().await?;
    if !forge_reports::see(&mut tx, mark, last.id).await? {
        return Ok(true);
    }
    for event in &news {
        let savepoint = tx.savepoint().await?;
        match note(&mut tx, &credentials, event).await {
            Ok(()) => tx.release(savepoint).await?,
            // Nobody will ever read it: those behind it are reported all the same.
            Err(error) if error.is_unreadable() => {
                tracing::error!(%error, event = event.id, kind = event.kind, "no forge can be shown an event");
                tx.undo(savepoint).await?;
            }
            Err(error) => return Err(error),
        }
    }
    tx.commit().await?;
    Ok(true)
}

async fn note(tx: &mut Tx, credentials: &[SealedCredential], event: &Event) -> Result<(), StoreError> {
    let Some(repository) = repository_of(tx, event).await? else { return Ok(()) };
    if for_repository(credentials, &repository.name).is_none() {
        return Ok(());
    }
    match (&event.release_id, &event.build_id, &event.step_id) {
        (Some(release), ..) => read::release(tx, &repository, release, event.id).await,
        (None, Some(build), Some(step)) => read::step(tx, &repository, build, step, event.id).await,
        (None, Some(build), None) => read::build(tx, &repository, build, event.id).await,
        (None, None, _) => Ok(()),
    }
}

/// The repository that an event is of; that of a step is known by its build.
async fn repository_of(tx: &mut Tx, event: &Event) -> Result<Option<Repository>, StoreError> {
    let id = match (&event.repository_id, &event.build_id) {
        (Some(id), _) => Some(id.clone()),
        (None, Some(build)) => builds::find(&mut tx.conn(), build).await?.map(|build| build.repository_id),
        (None, None) => None,
    };
    match id {
        Some(id) => repositories::find(&mut tx.conn(), &id).await,
        None => Ok(None),
    }
}
