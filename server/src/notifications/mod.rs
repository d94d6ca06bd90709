//! Telling people: trouble is noted as an alert, and messages go out by an outbox.
//!
//! The reader follows the events and puts messages into the outbox, in the transaction that moves on the mark of what it
//! has read; so each event is told of once, whichever server reads it and however often one is killed. The courier
//! sends what is due, again and again until the other side has taken it; a message can arrive twice when its answer is
//! lost, and bears the same id both times.

mod address;
mod alert;
mod channel;
mod courier;
mod message;
mod occasion;
mod reader;
mod rule;
mod send;
mod state;

pub use address::{Address, AddressError, ChannelKind};
pub use alert::{acknowledge, close};
pub use channel::{ChannelError, NewChannel, address_of, set_channel};
pub use courier::{deliver_due, run_courier};
pub use message::{About, Message, Trouble};
pub use occasion::Occasion;
pub use reader::{read_news, run_reader};
pub use rule::{Rule, RuleError};
pub use send::{Again, MailError, MailServer, SendError, Sender};
pub use state::NotificationState;
