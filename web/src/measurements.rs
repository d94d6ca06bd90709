//! What was measured, on the pages of environments and of runners.

use askama::Template;

use crate::{chart::Chart, timeline::Timeline};

/// The charts of an environment's apps, or of hosts.
#[derive(Debug, Default, Template)]
#[template(path = "measurements.html")]
pub struct Measurements {
    /// The times that can be looked at: their names, their addresses, and whether it is this one.
    pub windows: Vec<(&'static str, String, bool)>,
    /// What is not measured, and why.
    pub note: Option<&'static str>,
    /// Which release was live when, above the charts of an environment.
    pub timeline: Option<Timeline>,
    /// What was measured, by app or by host.
    pub rows: Vec<MeasuredRow>,
}

impl askama::filters::HtmlSafe for Measurements {}

/// What was measured of an app or of a host.
#[derive(Debug)]
pub struct MeasuredRow {
    /// Its name.
    pub name: String,
    /// What else is known of it, in a few words each, and whether that is as it should be.
    pub facts: Vec<(String, bool)>,
    /// Its charts.
    pub charts: Vec<Chart>,
}
