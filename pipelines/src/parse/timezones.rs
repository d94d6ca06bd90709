//! Time zones, by their names in the IANA database.

use super::fields::{shown, text};
use crate::{
    diagnostics::{Problem, Report},
    document::Node,
};

/// Reads the name of a time zone.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let expected = "a name of the IANA database, such as Europe/Madrid or UTC";
    let name = text(node, expected, report)?;
    if name.parse::<chrono_tz::Tz>().is_ok() {
        return Some(name.to_owned());
    }
    let problem = Problem::new(format!("unknown time zone \"{}\"", shown(name))).expected(expected);
    let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    report.add(node.place, problem.nearest(name, known));
    None
}
