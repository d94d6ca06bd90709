use askama::Template;

use crate::{frame::Frame, state::State, time::When};

/// `/deliveries`: what the forges sent, and what became of it.
#[derive(Debug, Template)]
#[template(path = "deliveries.html")]
pub struct DeliveriesPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The deliveries, newest first.
    pub deliveries: Vec<DeliveryRow>,
    /// What may have become of them: the word, its page, and whether it is chosen.
    pub states: Vec<(&'static str, String, bool)>,
    /// The one that is chosen, as the address has it.
    pub state: String,
    /// The repository whose deliveries alone are shown; empty for all.
    pub repository: String,
    /// The page of older ones.
    pub older: Option<String>,
    /// The first page, where this is not it.
    pub newest: Option<String>,
}

/// `/deliveries/{id}`: one delivery with its payload.
#[derive(Debug, Template)]
#[template(path = "delivery.html")]
pub struct DeliveryPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The delivery.
    pub delivery: DeliveryRow,
    /// Slipway's id.
    pub id: String,
    /// The headers that are kept of it, by name; none where it was dealt with once more.
    pub headers: Vec<(String, String)>,
    /// The page of the delivery that it deals with once more.
    pub again_of: Option<String>,
    /// Where the build stands that it caused.
    pub caused: Option<State>,
    /// Where the form goes that has it dealt with once more; none where its payload is gone.
    pub redeliver: Option<String>,
    /// When the payload was removed; none while it is kept.
    pub removed: Option<When>,
    /// The payload, indented, cut to a readable size.
    pub payload: String,
    /// How many bytes of the payload are not shown.
    pub cut: usize,
}

/// A delivery in a list.
#[derive(Debug)]
pub struct DeliveryRow {
    /// Its page.
    pub address: String,
    /// Accepted or ignored.
    pub state: State,
    /// The forge's event.
    pub event: String,
    /// The repository's name.
    pub repository: String,
    /// The repository's page.
    pub repository_address: String,
    /// The build that it caused: number and page.
    pub build: Option<(i64, String)>,
    /// Why it was ignored.
    pub reason: Option<String>,
    /// Whether somebody had an earlier one dealt with once more.
    pub is_again: bool,
    /// When it came.
    pub when: When,
}
