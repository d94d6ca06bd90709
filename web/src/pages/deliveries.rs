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
    /// The forge's id.
    pub forge_id: String,
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
    /// When it came.
    pub when: When,
}
