//! `schedules`: builds at set times.

use super::{
    cron,
    environment::branch_name,
    fields::{field, fields, is_host_label, map, or_report, shown, text},
    timezones,
};
use crate::{
    config::Schedule,
    diagnostics::{Problem, Report},
    document::{Entry, Node},
    reference,
};

/// The most schedules that a file may have.
const MAX_SCHEDULES: usize = 100;

/// Reads all schedules.
pub(super) fn read_all(node: &Node, report: &mut Report<'_>) -> Vec<Schedule> {
    report.within(reference::SCHEDULE.anchor, |report| {
        let entries = map(node, "the schedules", report).unwrap_or_default();
        if entries.len() > MAX_SCHEDULES {
            let message = format!("there are {} schedules; the limit is {MAX_SCHEDULES}", entries.len());
            report.add(node.place, Problem::new(message));
            return Vec::new();
        }
        entries.iter().filter_map(|entry| read(entry, report)).collect()
    })
}

fn read(entry: &Entry, report: &mut Report<'_>) -> Option<Schedule> {
    if !is_host_label(&entry.key) {
        let problem = Problem::new(format!("\"{}\" cannot be a schedule's name", shown(&entry.key)));
        report.add(entry.place, problem.expected("lower-case letters, digits and \"-\", at most 63"));
    }
    let fields = fields(&entry.value, &reference::SCHEDULE, report)?;
    let timezone = field(&fields, "timezone").map(|field| timezones::read(&field.value, report));
    let branch = field(&fields, "branch").map(|field| branch_name(&field.value, report));
    let Some(cron) = field(&fields, "cron") else {
        let problem = Problem::new(format!("the schedule \"{}\" does not say when", shown(&entry.key)));
        report.add(entry.place, problem.expected("\"cron\", such as \"0 2 * * *\" or @daily"));
        return None;
    };
    let written = text(&cron.value, "a time such as \"0 2 * * *\"", report)?;
    let cron = or_report(cron::check(written), cron.value.place, report)?;
    Some(Schedule {
        name: entry.key.clone(),
        cron,
        timezone: timezone.unwrap_or_else(|| Some("UTC".to_owned()))?,
        branch: branch.flatten(),
    })
}
