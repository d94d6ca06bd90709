//! Channels: made, changed, and their addresses opened.

use super::{Address, AddressError, ChannelKind, Occasion, Rule, RuleError};
use crate::{
    ids::ChannelId,
    secrets::{OpenError, Place, Sealer},
    store::{
        JsonText, StoreError, Tx,
        channels::{self, Channel},
    },
};

/// The longest name, in characters.
const LONGEST: usize = 50;

/// A channel as somebody wants it.
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// Its name.
    pub name: String,
    /// Where it leads; none to leave that as it is.
    pub address: Option<Address>,
    /// What it is told.
    pub rule: Rule,
}

/// Why a channel cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Its name is none.
    #[error("a channel's name has 1 to {LONGEST} letters, digits, dots, dashes and underscores")]
    BadName,
    /// A new one must lead somewhere.
    #[error("there is no channel {0} yet: say where it leads")]
    NoAddress(String),
    /// It leads nowhere.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Its rule cannot be kept.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// PagerDuty would open incidents that nothing resolves.
    #[error(
        "pagerduty takes trouble alone ({trouble}): {0} would open an incident that nothing ends",
        trouble = Occasion::names(Occasion::TROUBLE)
    )]
    NoIncident(Occasion),
    /// Its address cannot be opened.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// What was sealed is in a form that this version does not know.
    #[error("the address of the channel {0} is in a form that this version of Slipway does not know: set it anew")]
    Unknown(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a channel, or changes the one of this name.
///
/// # Errors
/// [`ChannelError`] says what is wrong with it.
pub async fn set_channel(tx: &mut Tx, sealer: &Sealer, new: &NewChannel) -> Result<Channel, ChannelError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if !(1..=LONGEST).contains(&new.name.len()) || !new.name.chars().all(is_name) {
        return Err(ChannelError::BadName);
    }
    new.rule.check()?;
    let now = tx.now();
    let earlier = channels::by_name(&mut tx.conn(), &new.name).await?;
    let id = earlier.as_ref().map_or_else(ChannelId::new, |earlier| earlier.id.clone());
    let (kind, target, address) = match (&new.address, &earlier) {
        (Some(address), _) => {
            address.check()?;
            let sealed = sealer.seal(Place::channel(id.as_str()), &address.to_text());
            (address.kind(), address.target(), sealed)
        }
        (None, Some(earlier)) => (earlier.kind, earlier.target.clone(), earlier.address.clone()),
        (None, None) => return Err(ChannelError::NoAddress(new.name.clone())),
    };
    if kind == ChannelKind::PagerDuty
        && let Some(no_trouble) = new.rule.on.iter().find(|occasion| !occasion.is_trouble())
    {
        return Err(ChannelError::NoIncident(*no_trouble));
    }
    let channel = Channel {
        id,
        name: new.name.clone(),
        kind,
        target,
        address,
        rule: JsonText(new.rule.clone()),
        created_at: earlier.map_or(now, |earlier| earlier.created_at),
        updated_at: now,
    };
    channels::put(tx, &channel).await?;
    Ok(channel)
}

/// Where a channel leads.
///
/// # Errors
/// When its address was sealed with another key.
pub fn address_of(channel: &Channel, sealer: &Sealer) -> Result<Address, ChannelError> {
    let text = sealer.open(Place::channel(channel.id.as_str()), &channel.address)?;
    Address::of_text(&text).map_err(|_| ChannelError::Unknown(channel.name.clone()))
}
