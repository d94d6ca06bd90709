//! Many repositories by their environments: a line each, and a column for each environment that they share by name.

use std::collections::BTreeMap;

use crate::{
    parts::owner_and_name,
    state::{State, Tone},
    time::When,
};

/// The most columns of environments; what is in fewer repositories stands together in a last one.
const MOST_COLUMNS: usize = 6;

/// What is live where, of many repositories.
#[derive(Debug, Clone)]
pub struct Matrix {
    /// The names of the environments that have a column, as releases move through them.
    pub columns: Vec<String>,
    /// The repositories by name.
    pub lines: Vec<Line>,
}

/// A repository in the matrix.
#[derive(Debug, Clone)]
pub struct Line {
    /// `owner/name`.
    pub name: String,
    /// Its page.
    pub address: String,
    /// The newest builds of its branches, newest first.
    pub tips: Vec<Tip>,
    /// Its environments as releases move through them.
    pub cells: Vec<Cell>,
}

/// The newest build of a branch or tag.
#[derive(Debug, Clone)]
pub struct Tip {
    /// Its number.
    pub number: i64,
    /// Its page.
    pub address: String,
    /// Its state.
    pub state: State,
    /// The branch or tag.
    pub reference: String,
    /// What it builds, or why it failed or waits.
    pub detail: String,
}

/// An environment in the matrix.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its name.
    pub name: String,
    /// Its page.
    pub address: String,
    /// What is live.
    pub live: Option<Live>,
    /// The newest release, where it is not the live one.
    pub newest: Option<(State, i64)>,
    /// Whether nothing is released to it.
    pub is_frozen: bool,
}

/// What is live in an environment, and how it stands.
#[derive(Debug, Clone)]
pub struct Live {
    /// The release's number.
    pub release: i64,
    /// The first digits of its commit.
    pub commit: String,
    /// Since when.
    pub since: When,
    /// How many containers are healthy, and how many there are to be; none where nobody says.
    pub healthy: Option<(u32, u32)>,
    /// How many containers are being put right.
    pub drifted: u32,
}

impl Cell {
    /// The tone of the whole cell: what wants a person stands out.
    #[must_use]
    pub fn tone(&self) -> Tone {
        let is_sick = self.live.as_ref().is_some_and(|live| live.healthy.is_some_and(|(healthy, of)| healthy < of));
        match self.newest {
            Some((State::Failed, _)) => Tone::Bad,
            _ if is_sick => Tone::Bad,
            Some((state, _)) if state.is_open() => Tone::Active,
            _ => Tone::Quiet,
        }
    }

    /// The newest release where it is on its way, or did not get there.
    #[must_use]
    pub fn coming(&self) -> Option<(State, i64)> {
        self.newest.filter(|(state, _)| state.is_open() || *state == State::Failed)
    }
}

impl Line {
    /// Whose the repository is; empty where its name does not say it.
    #[must_use]
    pub fn owner(&self) -> &str {
        owner_and_name(&self.name).0
    }

    /// Its name without the owner.
    #[must_use]
    pub fn short_name(&self) -> &str {
        owner_and_name(&self.name).1
    }

    /// The environment of a column.
    #[must_use]
    pub fn cell(&self, column: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == column)
    }

    /// The environments that have no column.
    pub fn others<'l>(&'l self, columns: &'l [String]) -> impl Iterator<Item = &'l Cell> {
        self.cells.iter().filter(|cell| !columns.contains(&cell.name))
    }
}

impl Matrix {
    /// Puts repositories side by side.
    #[must_use]
    pub fn of(lines: Vec<Line>) -> Self {
        Matrix { columns: columns(&lines), lines }
    }

    /// Whether anything has no column.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.lines.iter().any(|line| line.others(&self.columns).next().is_some())
    }

    /// Whether anything in it wants a person.
    #[must_use]
    pub fn wants_somebody(&self) -> bool {
        self.lines.iter().flat_map(|line| &line.cells).any(|cell| cell.tone() == Tone::Bad)
    }
}

/// The names that most repositories have, each where it stands on average in theirs.
fn columns(lines: &[Line]) -> Vec<String> {
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for line in lines {
        for (place, cell) in line.cells.iter().enumerate() {
            let (count, sum) = places.entry(&cell.name).or_default();
            *count += 1;
            // Of a whole way of 100, so that short ways end where long ones do.
            *sum += (place + 1) * 100 / line.cells.len();
        }
    }
    let mut names: Vec<(&str, usize, usize)> =
        places.into_iter().map(|(name, (count, sum))| (name, count, sum / count.max(1))).collect();
    names.sort_by_key(|(name, count, _)| (std::cmp::Reverse(*count), *name));
    names.truncate(MOST_COLUMNS);
    names.sort_by_key(|(name, _, place)| (*place, *name));
    names.into_iter().map(|(name, ..)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Cell, Line, Live, Matrix, State, Tone, When};

    fn cell(name: &str) -> Cell {
        Cell { name: name.into(), address: String::new(), live: None, newest: None, is_frozen: false }
    }

    fn line(name: &str, environments: &[&str]) -> Line {
        let cells = environments.iter().map(|name| cell(name)).collect();
        Line { name: name.into(), address: String::new(), tips: vec![], cells }
    }

    #[test]
    fn shared_environments_have_columns_in_the_order_of_releases() {
        let matrix = Matrix::of(vec![
            line("a", &["dev", "staging", "production"]),
            line("b", &["dev", "production"]),
            line("c", &["production"]),
        ]);
        assert_eq!(matrix.columns, ["dev", "staging", "production"]);
        assert!(!matrix.has_others());
        assert_eq!(matrix.lines[1].cell("staging").map(|cell| cell.name.as_str()), None);
    }

    #[test]
    fn what_few_have_stands_together() {
        let many: Vec<String> = (0..9).map(|number| format!("customer-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let matrix = Matrix::of(vec![line("a", &["dev", "live"]), line("b", &many), line("c", &["dev", "live"])]);
        assert_eq!(matrix.columns.len(), super::MOST_COLUMNS);
        assert!(matrix.columns.iter().any(|name| name == "live"));
        assert!(matrix.has_others());
        assert_eq!(matrix.lines[1].others(&matrix.columns).count(), 5);
    }

    #[test]
    fn what_is_sick_or_failed_wants_somebody() {
        let live = |healthy| Live {
            release: 3,
            commit: "0123abcd".into(),
            since: When { at: 0, now: 1 },
            healthy,
            drifted: 0,
        };
        let with = |healthy, newest| Cell { live: Some(live(healthy)), newest, ..cell("dev") }.tone();
        assert_eq!(with(Some((2, 2)), None), Tone::Quiet);
        assert_eq!(with(None, None), Tone::Quiet, "nobody says");
        assert_eq!(with(Some((1, 2)), None), Tone::Bad);
        assert_eq!(with(Some((2, 2)), Some((State::Failed, 4))), Tone::Bad);
        assert_eq!(with(Some((2, 2)), Some((State::Rolling, 4))), Tone::Active);
    }
}
