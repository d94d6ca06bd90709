use askama::Template;

use super::SettingsHead;
use crate::{frame::Frame, pages::ScheduleRow};

/// `/settings/schedules`: the schedules of all repositories.
#[derive(Debug, Template)]
#[template(path = "settings_schedules.html")]
pub struct SchedulesPage {
    /// What surrounds it.
    pub frame: Frame,
    /// The shared head.
    pub head: SettingsHead,
    /// The schedules, those that come next first, then those that are paused or come no more.
    pub schedules: Vec<SchedulesRow>,
    /// How many more there are.
    pub more: usize,
}

/// A schedule with its repository.
#[derive(Debug)]
pub struct SchedulesRow {
    /// `owner/name`.
    pub repository: String,
    /// The repository's page.
    pub repository_address: String,
    /// The schedule.
    pub schedule: ScheduleRow,
}
