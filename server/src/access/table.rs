//! The table in docs/SECURITY.md: what every route needs, and of what.

use super::{Permission, Permissions, Subject, Verb};

/// The head of the table.
pub(super) const HEAD: &str = "| route | needs | of |\n|---|---|---|\n";

/// The rows, by what they are about, then by permission and path.
pub(super) fn rows(permissions: &Permissions) -> String {
    let mut rows: Vec<(Option<Subject>, u8, &str, Verb)> =
        permissions.iter().map(|(verb, path, needs)| (subject(verb, path, needs), rank(needs), path, verb)).collect();
    rows.sort_unstable();
    let row = |(subject, rank, path, verb): (Option<Subject>, u8, &str, Verb)| {
        let of = subject.map_or("—", of);
        format!("| `{} {path}` | {} | {of} |\n", verb.method(), NAMES[usize::from(rank)])
    };
    rows.into_iter().map(row).collect()
}

const NAMES: [&str; 6] = ["nothing", "read", "develop", "deploy", "administer", "a runner's token"];

fn rank(needs: Permission) -> u8 {
    match needs {
        Permission::Public => 0,
        Permission::Read => 1,
        Permission::Develop => 2,
        Permission::Deploy => 3,
        Permission::Administer => 4,
        Permission::RunJobs => 5,
    }
}

fn subject(verb: Verb, path: &str, needs: Permission) -> Option<Subject> {
    match needs {
        Permission::Public | Permission::RunJobs => None,
        _ => Subject::of(verb, path),
    }
}

fn of(subject: Subject) -> &'static str {
    match subject {
        Subject::Server => "the server",
        Subject::Seen => "anything",
        Subject::Repository => "the repository",
        Subject::Environment => "the environment",
        Subject::Delivery => "the delivery's repository",
        Subject::Alert => "the alert's repository",
        Subject::Step => "the step's repository",
        Subject::Own => "one's own account",
    }
}

#[test]
fn the_document_says_what_every_route_needs() {
    let document = include_str!("../../../docs/SECURITY.md");
    let (_, permissions) = crate::http::routes().into_parts();
    let expected = format!("{HEAD}{}", rows(&permissions));
    assert!(document.contains(&expected), "docs/SECURITY.md is to hold this table:\n{expected}");
}
