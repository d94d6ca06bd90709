use askama::Template;

use super::SettingsHead;
use crate::{frame::Frame, time::When};

/// `/settings/audit`: who changed what.
#[derive(Debug, Template)]
#[template(path = "settings_audit.html")]
pub struct AuditPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// The entries, newest first.
    pub entries: Vec<AuditRow>,
    /// Whose changes alone are shown; empty for everybody's.
    pub actor: String,
    /// Which changes alone are shown; empty for all.
    pub action: String,
    /// The last day that is shown, as `2026-11-22`; empty for today.
    pub until: String,
    /// The page of older ones.
    pub older: Option<String>,
    /// The first page, where this is not it.
    pub newest: Option<String>,
}

/// One change.
#[derive(Debug)]
pub struct AuditRow {
    /// When.
    pub when: When,
    /// Who.
    pub actor: String,
    /// Their changes alone.
    pub by_actor: String,
    /// What they did.
    pub action: String,
    /// Such changes alone.
    pub by_action: String,
    /// To what.
    pub subject: String,
    /// The particulars, each with its name.
    pub details: Vec<(String, String)>,
}

impl AuditPage {
    fn is_filtered(&self) -> bool {
        !(self.actor.is_empty() && self.action.is_empty() && self.until.is_empty())
    }
}
