//! Apps that need each other.

use super::fields::field;
use crate::{
    config::App,
    diagnostics::{Problem, Report},
    document::{Entry, Value},
};

/// Reports apps whose given `needs` lead back to themselves.
pub(super) fn check(apps: &[App], entries: &[Entry], report: &mut Report<'_>) {
    let mut seen = vec![Seen::Not; apps.len()];
    for start in 0..apps.len() {
        let mut way = Vec::new();
        if let Some(circle) = visit(start, apps, &mut seen, &mut way) {
            let names: Vec<&str> = circle.iter().map(|at| apps[*at].name.as_str()).collect();
            let Some(entry) = entries.iter().find(|entry| entry.key == names[0]) else { continue };
            let fields: Vec<&Entry> = match &entry.value.value {
                Value::Map(fields) => fields.iter().collect(),
                _ => Vec::new(),
            };
            let place = field(&fields, "needs").map_or(entry.place, |needs| needs.place);
            let message = format!("these apps need each other: {} needs {}", names.join(" needs "), names[0]);
            report.add(place, Problem::new(message).expected("\"needs\" without a circle").see("order"));
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Not,
    OnTheWay,
    Done,
}

/// Follows an app's needs; gives the apps of the first circle on the way. As deep as there are apps, which are bounded.
fn visit(at: usize, apps: &[App], seen: &mut [Seen], way: &mut Vec<usize>) -> Option<Vec<usize>> {
    match seen[at] {
        Seen::Done => return None,
        Seen::OnTheWay => {
            let begin = way.iter().position(|other| *other == at).unwrap_or_default();
            return Some(way[begin..].to_vec());
        }
        Seen::Not => {}
    }
    seen[at] = Seen::OnTheWay;
    way.push(at);
    let mut circle = None;
    for name in &apps[at].needs {
        if circle.is_none()
            && let Some(next) = apps.iter().position(|app| app.name == *name)
        {
            circle = visit(next, apps, seen, way);
        }
    }
    way.pop();
    seen[at] = Seen::Done;
    circle
}
