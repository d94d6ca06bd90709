//! The steps of a job on one time axis, each with its log; the same for a build and for a rollout.

use askama::Template;

use crate::{
    graph::{Graph, Line},
    logs::LogRows,
    state::State,
    time::{self, Took},
};

/// The axis is this many units wide.
const WIDTH: i64 = 1_000;

/// The steps of a job.
#[derive(Debug, Clone, Template)]
#[template(path = "steps.html")]
pub struct StepList {
    steps: Vec<StepRow>,
    ticks: Vec<Tick>,
    bars: Vec<Option<Bar>>,
    lines: Vec<Vec<Line>>,
    graph: Graph,
}

impl askama::filters::HtmlSafe for StepList {}

/// One step.
#[derive(Debug, Clone)]
pub struct StepRow {
    /// Names it within the page: attempt and place, such as `1-4`. The stream of lines uses it too.
    pub key: String,
    /// The app it belongs to.
    pub app: Option<String>,
    /// What it does, in a word: `checkout`, `pre`, `build`.
    pub kind: String,
    /// The command, the image, the replica.
    pub name: String,
    /// Its state.
    pub state: State,
    /// When it began and ended.
    pub took: Took,
    /// Why it failed or was skipped.
    pub reason: Option<String>,
    /// Its command's exit code.
    pub exit_code: Option<i64>,
    /// The page of its log.
    pub address: String,
    /// How many lines its log has.
    pub lines: i64,
    /// The log's end, where the page shows it at once: what runs, what failed.
    pub tail: Option<LogRows>,
    /// The steps that must have succeeded first, by their places in the list.
    pub needs: Vec<usize>,
    /// What it was taken over from, where it did not run itself.
    pub reused: Option<Reused>,
    /// Of an image build, how many instructions were in the cache, and how many there are.
    pub cached: Option<(u32, u32)>,
}

/// Where the result of a step came from that did not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reused {
    /// An earlier build made the same image.
    Build {
        /// Its number.
        number: i64,
        /// Its page.
        address: String,
    },
    /// It succeeded in an earlier attempt of the same build.
    Attempt {
        /// The attempt's number.
        number: i64,
    },
}

/// The needs of a step that are named; more are counted.
const NAMED_NEEDS: usize = 5;
/// How late a step may begin until the page says so, in milliseconds.
const NOTABLE_WAIT: i64 = 1_000;

/// A step's time on the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) x: i64,
    pub(crate) width: i64,
}

/// A step with all that its row shows.
struct Row<'a> {
    step: &'a StepRow,
    bar: Option<Bar>,
    lines: &'a [Line],
    is_on_way: bool,
    /// How long it waited though what it needs was there, in words.
    waited: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tick {
    x: i64,
    label: String,
}

impl StepList {
    /// Lays the steps on their common axis.
    #[must_use]
    pub fn new(steps: Vec<StepRow>, now: i64) -> Self {
        let start = steps.iter().filter_map(|step| step.took.from).min().unwrap_or(now);
        let end = steps
            .iter()
            .filter(|step| step.took.from.is_some())
            .map(|step| step.took.to.unwrap_or(now))
            .max()
            .unwrap_or(now);
        let span = (end - start).max(1);
        let bars: Vec<Option<Bar>> = steps
            .iter()
            .map(|step| {
                let from = step.took.from?;
                let to = step.took.to.unwrap_or(now);
                let width = ((to - from) * WIDTH / span).clamp(3, WIDTH);
                Some(Bar { x: ((from - start) * WIDTH / span).clamp(0, WIDTH - width), width })
            })
            .collect();
        let graph = Graph::of(&steps);
        StepList { ticks: ticks(span), lines: graph.lines(&bars), graph, bars, steps }
    }

    /// Whether there are none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let drawn = self.bars.iter().zip(&self.lines);
        self.steps.iter().zip(drawn).enumerate().map(|(at, (step, (bar, lines)))| Row {
            step,
            bar: *bar,
            lines,
            is_on_way: self.graph.is_on_way(at),
            waited: Some(self.graph.waited(at)).filter(|waited| *waited >= NOTABLE_WAIT).map(time::duration),
        })
    }

    /// The first of what a step needs, and how many more there are. The checkout alone is not worth a word.
    fn needs<'a>(&'a self, step: &'a StepRow) -> (Vec<&'a StepRow>, usize) {
        if matches!(step.needs.as_slice(), [] | [0]) {
            return (Vec::new(), 0);
        }
        let named = step.needs.iter().take(NAMED_NEEDS).filter_map(|need| self.steps.get(*need)).collect();
        (named, step.needs.len().saturating_sub(NAMED_NEEDS))
    }

    /// Whether there is a way to speak of: more than one step of it.
    fn has_way(&self) -> bool {
        (0..self.steps.len()).filter(|at| self.graph.is_on_way(*at)).count() > 1
    }

    fn has_apps(&self) -> bool {
        self.steps.iter().any(|step| step.app.is_some())
    }
}

impl Reused {
    /// In a word or two.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Reused::Build { number, .. } => format!("from #{number}"),
            Reused::Attempt { number } => format!("from attempt {number}"),
        }
    }
}

impl StepRow {
    fn class(&self) -> &'static str {
        self.state.tone().class()
    }

    /// Why it was left out, if it was.
    fn why_skipped(&self) -> Option<&str> {
        self.reason.as_deref().filter(|_| self.state == State::Skipped)
    }

    fn hidden_lines(&self) -> i64 {
        self.tail.as_ref().and_then(LogRows::first).map_or(0, |first| first - 1)
    }
}

/// Up to five marks at round times.
fn ticks(span: i64) -> Vec<Tick> {
    const ROUND: [i64; 16] = [
        100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
        3_600_000, 21_600_000,
    ];
    let unit = ROUND.into_iter().find(|unit| span / unit <= 5).unwrap_or(86_400_000);
    (0..=span / unit)
        .map(|count| Tick { x: count * unit * WIDTH / span, label: label(count * unit) })
        // A label at the very end would hang over the edge.
        .filter(|tick| tick.x <= WIDTH * 94 / 100)
        .collect()
}

fn label(ms: i64) -> String {
    match ms {
        0 => "0".to_owned(),
        1..1_000 => time::duration(ms),
        1_000..60_000 if ms % 1_000 == 0 => format!("{} s", ms / 1_000),
        60_000..3_600_000 if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        3_600_000.. if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        _ => time::duration(ms),
    }
}

#[cfg(test)]
mod tests {
    use super::{StepList, StepRow, ticks};
    use crate::{state::State, time::Took};

    fn step(index: u32, from: Option<i64>, to: Option<i64>) -> StepRow {
        StepRow {
            key: format!("1-{index}"),
            app: Some("web".into()),
            kind: "pre".into(),
            name: "make <all>".into(),
            state: State::Succeeded,
            took: Took { from, to, now: 20_000 },
            reason: None,
            exit_code: None,
            address: "/x".into(),
            lines: 0,
            tail: None,
            needs: vec![],
            reused: None,
            cached: None,
        }
    }

    #[test]
    fn the_longest_way_goes_back_from_the_end_by_what_each_waited_for() {
        let needing = |step: StepRow, needs: &[usize]| StepRow { needs: needs.to_vec(), ..step };
        let list = StepList::new(
            vec![
                step(0, Some(0), Some(1_000)),
                needing(step(1, Some(1_000), Some(4_000)), &[0]),
                needing(step(2, Some(1_000), Some(9_000)), &[0]),
                needing(step(3, Some(12_000), Some(20_000)), &[1, 2]),
                needing(step(4, None, None), &[3]),
            ],
            20_000,
        );
        let rows: Vec<_> = list.rows().collect();
        assert_eq!(rows.iter().map(|row| row.is_on_way).collect::<Vec<_>>(), [true, false, true, true, false]);
        assert_eq!(rows[3].waited.as_deref(), Some("3.0 s"));
        let paths = |at: usize| rows[at].lines.iter().map(|line| line.path.as_str()).collect::<Vec<_>>();
        assert_eq!(paths(0), ["M50 5H50V50"]);
        assert_eq!(paths(1), ["M50 -40V5", "M50 -40V50"], "one begins here, and one below");
        assert_eq!(paths(2), ["M450 5H600V50", "M50 -40V5"]);
        assert_eq!(paths(3), ["M600 -40V5"]);
        let (named, more) = list.needs(&list.steps[3]);
        assert_eq!((named.len(), more), (2, 0));
        assert!(list.to_string().contains("it waited 3.0 s"), "{list}");
    }

    #[test]
    fn bars_stay_on_the_axis() {
        let list = StepList::new(
            vec![step(0, Some(0), Some(10_000)), step(1, Some(10_000), None), step(2, None, None)],
            20_000,
        );
        let bars: Vec<_> = list.bars.iter().map(|bar| bar.map(|bar| (bar.x, bar.width))).collect();
        assert_eq!(bars, [Some((0, 500)), Some((500, 500)), None]);
        let short =
            StepList::new(vec![step(0, Some(0), Some(100_000)), step(1, Some(100_000), Some(100_001))], 200_000);
        assert_eq!(short.bars[1].map(|bar| bar.x + bar.width), Some(1_000));
        assert!(list.to_string().contains("make &#60;all&#62;"));
    }

    #[test]
    fn ticks_are_round_and_few() {
        let labels = |span| ticks(span).into_iter().map(|tick| tick.label).collect::<Vec<_>>();
        assert_eq!(labels(42_000), ["0", "10 s", "20 s", "30 s"]);
        assert_eq!(labels(500), ["0", "0.1 s", "0.2 s", "0.3 s", "0.4 s"]);
        assert_eq!(labels(1_700), ["0", "0.5 s", "1 s", "1.5 s"]);
        assert_eq!(labels(1), ["0"]);
        assert!(labels(400_000_000).len() <= 6);
    }
}
