//! Which step waited for which, and the longest way through all of them: whoever wants the whole to be faster begins there.

use std::collections::BTreeMap;

use crate::steps::{Bar, StepRow};

/// With more steps than this no lines are drawn between them: nobody could follow them.
const MOST_DRAWN: usize = 120;
/// Where a row begins in the units of its drawing; what is above its edge is cut off.
const ABOVE: i64 = -40;
/// Where its bar is.
const MIDDLE: i64 = 5;
/// Where it ends.
const BELOW: i64 = 50;

/// The steps of a job as they waited for each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// Of each step, the one that it needs which ended last.
    decided_by: Vec<Option<usize>>,
    /// Of each step, how long after that it began, in milliseconds.
    waited: Vec<i64>,
    /// Of each step, whether it is on the longest way.
    is_on_way: Vec<bool>,
}

/// A line in a row's drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// As the attribute `d` of a path.
    pub(crate) path: String,
    /// Whether it is on the longest way.
    pub(crate) is_on_way: bool,
}

impl Graph {
    pub(crate) fn of(steps: &[StepRow]) -> Graph {
        let ended = |at: usize| steps.get(at).and_then(|step| step.took.to);
        let decided_by: Vec<Option<usize>> = steps
            .iter()
            .enumerate()
            .map(|(at, step)| {
                let before = step.needs.iter().copied().filter(|need| *need < at && ended(*need).is_some());
                before.max_by_key(|need| ended(*need))
            })
            .collect();
        let waited = steps.iter().zip(&decided_by).map(|(step, by)| {
            let ready = by.and_then(ended);
            step.took.from.zip(ready).map_or(0, |(from, ready)| (from - ready).max(0))
        });
        let mut is_on_way = vec![false; steps.len()];
        let begun = (0..steps.len()).filter(|at| steps[*at].took.from.is_some());
        let mut next = begun.max_by_key(|at| ended(*at).unwrap_or(steps[*at].took.now));
        while let Some(at) = next {
            is_on_way[at] = true;
            next = decided_by[at].filter(|before| steps[*before].took.from.is_some());
        }
        Graph { waited: waited.collect(), decided_by, is_on_way }
    }

    pub(crate) fn is_on_way(&self, at: usize) -> bool {
        self.is_on_way.get(at).copied().unwrap_or(false)
    }

    pub(crate) fn waited(&self, at: usize) -> i64 {
        self.waited.get(at).copied().unwrap_or(0)
    }

    /// The lines in each row: down from the end of a step to where the next begins, past those that stand between.
    pub(crate) fn lines(&self, bars: &[Option<Bar>]) -> Vec<Vec<Line>> {
        let mut rows: Vec<BTreeMap<String, bool>> = vec![BTreeMap::new(); bars.len()];
        if bars.len() > MOST_DRAWN {
            return vec![Vec::new(); bars.len()];
        }
        for (to, by) in self.decided_by.iter().enumerate() {
            let Some(from) = *by else { continue };
            let (Some(Some(before)), Some(Some(after))) = (bars.get(from), bars.get(to)) else { continue };
            let is_on_way = self.is_on_way(to) && self.is_on_way(from);
            let x = after.x;
            for (at, row) in rows.iter_mut().enumerate().take(to + 1).skip(from) {
                let path = match at {
                    at if at == from => format!("M{} {MIDDLE}H{x}V{BELOW}", (before.x + before.width).min(x)),
                    at if at == to => format!("M{x} {ABOVE}V{MIDDLE}"),
                    _ => format!("M{x} {ABOVE}V{BELOW}"),
                };
                *row.entry(path).or_default() |= is_on_way;
            }
        }
        let drawn = |row: BTreeMap<String, bool>| {
            let mut lines: Vec<Line> = row.into_iter().map(|(path, is_on_way)| Line { path, is_on_way }).collect();
            // What matters is drawn above the rest.
            lines.sort_by_key(|line| line.is_on_way);
            lines
        };
        rows.into_iter().map(drawn).collect()
    }
}
