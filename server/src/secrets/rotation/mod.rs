//! Rotating the key: a new one becomes the one of today, everything that is sealed is sealed anew with it in portions, and
//! the old one is forgotten.
//!
//! Which key is today's, the database says, by its id. Whatever moment a server is killed in, it has every key that
//! something is sealed with: the new one is in its file before anything is sealed with it, and the old one goes from the
//! file after nothing is.

mod keeper;
mod portion;

pub use keeper::keep;
use serde_json::json;

use super::{KeyError, KeyId, Keyring};
use crate::store::{
    Conn, Store, StoreError, Tx, audit,
    sealing::{self, SealingKey},
};

/// How long a server counts as there that was not heard of, in milliseconds.
const THERE_MS: i64 = 40_000;
/// How long a row of one that is gone stays, in milliseconds.
const GONE_MS: i64 = 3_600_000;

/// Why the key is not rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// There is no key to rotate to.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Other servers could not open what is sealed with the new key.
    #[error(
        "{count} other server{} of this database {} not have the key {key} yet: give them this one's secret.key, or the \
         new key in SLIPWAY_SECRET_KEY and the present one in SLIPWAY_SECRET_KEY_PREVIOUS, restart them one after the \
         other, and rotate then (one that was killed counts for a minute)",
        if *count == 1 { "" } else { "s" },
        if *count == 1 { "does" } else { "do" }
    )]
    Others {
        /// The new key.
        key: KeyId,
        /// How many servers.
        count: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Has this server seal with the key of today, at its start. The first server of a database says which that is.
///
/// # Errors
/// When that key is not here; `lost` is the id of one that is lost for good.
pub async fn establish(store: &Store, keyring: &Keyring, lost: Option<KeyId>) -> Result<(), RotationError> {
    let mut tx = store.write().await?;
    let current = sealing::current(&mut tx.conn()).await?;
    let first = keyring.ids().first().map(ToString::to_string).unwrap_or_default();
    let now = tx.now();
    match &current {
        None => drop(sealing::begin(&mut tx, 1, &first, Some(now)).await?),
        Some(current) if lost.is_some_and(|lost| lost.to_string() == current.key_id) => {
            sealing::begin(&mut tx, current.number + 1, &first, None).await?;
            audit::append(&mut tx, "server", "secret_key.lost", &current.key_id, json!({"key": first})).await?;
        }
        Some(_) => {}
    }
    if let Some(current) = sealing::current(&mut tx.conn()).await? {
        take_up(keyring, &current)?;
    }
    if store.is_shared() {
        tell(&mut tx, keyring).await?;
    }
    Ok(tx.commit().await?)
}

/// Tells the other servers of a shared database which keys this one has.
async fn tell(tx: &mut Tx, keyring: &Keyring) -> Result<(), StoreError> {
    let opens: Vec<String> = keyring.ids().iter().map(ToString::to_string).collect();
    let seals = keyring.sealer().seals_with().to_string();
    let gone = tx.lease_time().await? - GONE_MS;
    sealing::tell(tx, &opens, &seals, gone).await
}

/// Seals with the key of today from now on.
fn take_up(keyring: &Keyring, current: &SealingKey) -> Result<(), KeyError> {
    if current.key_id.parse().is_ok_and(|key| keyring.sealer().seal_with(key)) {
        return Ok(());
    }
    let held: Vec<String> = keyring.ids().iter().map(ToString::to_string).collect();
    Err(KeyError::Missing { needed: current.key_id.clone(), origin: keyring.origin(), held: held.join(", ") })
}

/// Makes a new key the one of today, with an audit entry; one that is under way already goes on. Every server then seals
/// with it, and [`keep`] seals anew what there is.
///
/// # Errors
/// [`RotationError`] says why it does not begin.
pub async fn begin(tx: &mut Tx, keyring: &Keyring, actor: &str) -> Result<SealingKey, RotationError> {
    let current = existing(&mut tx.conn()).await?;
    if current.ended_at.is_none() {
        return Ok(current);
    }
    let sealing = keyring.sealer().seals_with();
    let key = keyring.next(sealing)?;
    let since = tx.lease_time().await? - THERE_MS;
    let (servers, own) = (sealing::servers(&mut tx.conn(), since).await?, tx.server().to_owned());
    let text = key.to_string();
    let count = servers.iter().filter(|server| server.server != own && !server.opens.0.contains(&text)).count();
    if count > 0 {
        return Err(RotationError::Others { key, count });
    }
    if sealing::begin(tx, current.number + 1, &text, None).await? {
        audit::append(tx, actor, "secret_key.rotate", &text, json!({"before": current.key_id})).await?;
        tx.ring_keys();
    }
    Ok(existing(&mut tx.conn()).await?)
}

async fn existing(conn: &mut Conn<'_>) -> Result<SealingKey, StoreError> {
    sealing::current(conn).await?.ok_or_else(|| StoreError::missing("key of the secrets", "today"))
}
