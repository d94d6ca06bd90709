//! Charts of what was measured: a line of averages, and a band up to the most. Drawn as SVG without any script; colours are
//! the style sheet's.

use std::fmt::Write as _;

use askama::Template;

use crate::parts::size;

/// The drawing's size, in units of its own: the page stretches it.
const WIDTH: i64 = 640;
const HEIGHT: f64 = 120.0;
/// How many points a line has at most.
const COLUMNS: i64 = 160;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// CPUs.
    Cpus,
    /// Bytes.
    Bytes,
    /// Things that are counted one by one.
    Pieces,
}

impl Unit {
    /// A number of them, for people.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "nobody has that many bytes")]
    pub fn text(self, value: f64) -> String {
        match self {
            Unit::Bytes => size(value.round() as i64),
            Unit::Pieces => format!("{value:.0}"),
            Unit::Cpus if value >= 10.0 => format!("{value:.1}"),
            Unit::Cpus if value >= 0.1 => format!("{value:.2}"),
            Unit::Cpus => format!("{value:.3}"),
        }
    }

    /// What a chart goes up to at least: a little of something that is idle is not drawn as much.
    fn least(self) -> f64 {
        match self {
            Unit::Cpus => 0.1,
            Unit::Bytes => 10_000_000.0,
            Unit::Pieces => 1.0,
        }
    }
}

/// Something measured: when (unix milliseconds), its average, and the most of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When, or since when.
    pub at: i64,
    /// The average.
    pub value: f64,
    /// The most; the average itself where nothing is summed up.
    pub most: f64,
}

/// The time that a chart shows, in unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its beginning.
    pub since: i64,
    /// Its end.
    pub until: i64,
    /// What is further apart is not joined: nothing was measured in between.
    pub gap: i64,
    /// What it is called: `hour`.
    pub name: &'static str,
}

/// A chart.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<figure class="chart"><figcaption><span>{{ title }}</span> <b>{{ now }}</b> <span class="by">{% if let Some(limit) = limit %}of {{ limit }}, {% endif %}{{ extreme }}</span></figcaption><div class="plot"><span class="edge" aria-hidden="true">{{ top }}</span><svg viewBox="0 0 640 120" preserveAspectRatio="none" role="img" aria-label="{{ title }} over the last {{ span }}: {{ now }} now, {{ extreme }}"><path class="band" d="{{ band }}"/><path class="area" d="{{ area }}"/><path class="trace" d="{{ trace }}"/></svg></div></figure>"#
)]
pub struct Chart {
    title: String,
    /// The time that it shows.
    span: &'static str,
    /// The last value.
    now: String,
    /// The most of it in this time; of what should be as many as there can be, the least.
    extreme: String,
    /// What there is of it at all.
    limit: Option<String>,
    /// What the upper edge stands for.
    top: String,
    trace: String,
    area: String,
    band: String,
}

impl askama::filters::HtmlSafe for Chart {}

/// A point of the drawing: column, average, and most.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Dot {
    at: i64,
    x: i64,
    value: f64,
    most: f64,
    count: u32,
}

impl Chart {
    /// Draws the samples, the oldest first; none where there are none in this time.
    #[must_use]
    pub fn draw(title: &str, unit: Unit, span: Span, samples: &[Sample], limit: Option<f64>) -> Option<Self> {
        let dots = columns(span, samples);
        let last = samples.iter().rev().find(|sample| is_within(span, sample))?;
        let most = dots.iter().map(|dot| dot.most).fold(0.0, f64::max);
        let least = dots.iter().map(|dot| dot.value).fold(most, f64::min);
        // Things of which there should be so many reach the upper edge when there are.
        let wanted = limit.filter(|_| unit == Unit::Pieces);
        let top =
            wanted.map_or_else(|| rounded_up(most.max(unit.least())), |wanted| most.max(wanted).max(unit.least()));
        let extreme = match wanted {
            Some(_) => format!("at least {}", unit.text(least)),
            None => format!("at most {}", unit.text(most)),
        };
        let gap = span.gap.max((span.until - span.since) / COLUMNS * 2);
        let y = |value: f64| HEIGHT - (value / top).clamp(0.0, 1.0) * (HEIGHT - 2.0);
        let (mut trace, mut area, mut band) = (String::new(), String::new(), String::new());
        for run in dots.chunk_by(|one, next| next.at - one.at <= gap) {
            let line = |value: fn(&Dot) -> f64| run.iter().map(move |dot| (dot.x, value(dot)));
            trace += &path(line(|dot| dot.value).map(|(x, value)| (x, y(value))));
            let (Some(first), Some(end)) = (run.first(), run.last()) else { continue };
            let over = path(line(|dot| dot.value).map(|(x, value)| (x, y(value))));
            area += &format!("{over}V{HEIGHT}H{}Z", first.x);
            if run.iter().any(|dot| dot.most > dot.value) {
                let upper = line(|dot| dot.most).map(|(x, value)| (x, y(value)));
                let lower = line(|dot| dot.value).rev().map(|(x, value)| (x, y(value)));
                band += &path(upper.chain(lower));
                band.push('Z');
            }
            if first.x == end.x {
                // One point alone is a dot.
                trace += "h1";
            }
        }
        Some(Chart {
            title: title.to_owned(),
            span: span.name,
            now: unit.text(last.value),
            extreme,
            limit: limit.map(|limit| unit.text(limit)),
            top: unit.text(top),
            trace,
            area,
            band,
        })
    }
}

fn is_within(span: Span, sample: &Sample) -> bool {
    sample.at >= span.since && sample.at <= span.until && sample.value.is_finite() && sample.most.is_finite()
}

/// At most so many points as there are columns: what falls into one is averaged, and its most is kept.
fn columns(span: Span, samples: &[Sample]) -> Vec<Dot> {
    let length = (span.until - span.since).max(1);
    let mut dots: Vec<Dot> = Vec::new();
    for sample in samples.iter().filter(|sample| is_within(span, sample)) {
        let column = (sample.at - span.since) * COLUMNS / length;
        let x = column * WIDTH / COLUMNS;
        match dots.last_mut().filter(|dot| dot.x == x) {
            Some(dot) => {
                dot.value = (dot.value * f64::from(dot.count) + sample.value) / f64::from(dot.count + 1);
                dot.most = dot.most.max(sample.most);
                dot.count += 1;
                dot.at = sample.at;
            }
            None => dots.push(Dot { at: sample.at, x, value: sample.value, most: sample.most, count: 1 }),
        }
    }
    dots
}

fn path(points: impl Iterator<Item = (i64, f64)>) -> String {
    let mut path = String::new();
    for (index, (x, y)) in points.enumerate() {
        let command = if index == 0 { 'M' } else { 'L' };
        // A string takes everything.
        let _ = write!(path, "{command}{x} {y:.0}");
    }
    path
}

/// The next number that people count in: 1, 2 or 5 with zeros.
fn rounded_up(value: f64) -> f64 {
    let magnitude = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * magnitude >= value * 0.999_999);
    step.unwrap_or(10.0) * magnitude
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    const HOUR: Span = Span { since: 0, until: 3_600_000, gap: 60_000, name: "hour" };

    fn sample(at: i64, value: f64, most: f64) -> Sample {
        Sample { at, value, most }
    }

    #[test]
    fn a_line_goes_from_point_to_point_and_stops_where_nothing_was_measured() {
        let samples: Vec<Sample> = (0..10).map(|n| sample(n * 15_000, 0.5, 0.5)).collect();
        let joined = Chart::draw("CPU", Unit::Cpus, HOUR, &samples, Some(2.0)).unwrap();
        assert_eq!(joined.trace.matches('M').count(), 1, "{}", joined.trace);
        assert_eq!(
            (joined.now.as_str(), joined.extreme.as_str(), joined.top.as_str()),
            ("0.50", "at most 0.50", "0.50")
        );
        assert_eq!(joined.limit.as_deref(), Some("2.00"));
        assert!(joined.band.is_empty(), "nothing is summed up");
        let mut broken = samples;
        broken.push(sample(1_800_000, 1.0, 1.5));
        let broken = Chart::draw("CPU", Unit::Cpus, HOUR, &broken, None).unwrap();
        assert_eq!(broken.trace.matches('M').count(), 2, "{}", broken.trace);
        assert!(broken.trace.ends_with("M320 61h1"), "a point alone is a dot: {}", broken.trace);
        assert_eq!(
            (broken.now.as_str(), broken.extreme.as_str(), broken.top.as_str()),
            ("1.00", "at most 1.50", "2.00")
        );
        assert!(!broken.band.is_empty());
    }

    #[test]
    fn what_lies_outside_or_is_no_number_is_not_drawn() {
        let outside = [sample(-1, 1.0, 1.0), sample(3_600_001, 1.0, 1.0), sample(5, f64::NAN, 1.0)];
        assert_eq!(Chart::draw("CPU", Unit::Cpus, HOUR, &outside, None), None);
        assert_eq!(Chart::draw("CPU", Unit::Cpus, HOUR, &[], None), None);
    }

    #[test]
    fn many_points_become_few_and_lose_no_peak() {
        let mut samples: Vec<Sample> = (0..3_600).map(|n| sample(n * 1_000, 0.2, 0.2)).collect();
        samples[1_234].most = 4.0;
        let chart = Chart::draw("CPU", Unit::Cpus, HOUR, &samples, None).unwrap();
        let points = chart.trace.matches(['M', 'L']).count();
        assert!(points <= 160, "{points}");
        assert_eq!((chart.extreme.as_str(), chart.top.as_str()), ("at most 4.00", "5.00"));
    }

    #[test]
    fn numbers_are_round_and_idle_is_low() {
        for (value, up) in [(0.1, 0.1), (0.11, 0.2), (3.0, 5.0), (7.0, 10.0), (1_000_000.0, 1_000_000.0)] {
            assert!((rounded_up(value) / up - 1.0).abs() < 1e-9, "{value} gave {}", rounded_up(value));
        }
        let idle = Chart::draw("Memory", Unit::Bytes, HOUR, &[sample(5, 400_000.0, 400_000.0)], None).unwrap();
        assert_eq!((idle.now.as_str(), idle.top.as_str()), ("400.0 kB", "10.0 MB"));
        assert_eq!([0.0123, 0.5, 12.34].map(|value| Unit::Cpus.text(value)), ["0.012", "0.50", "12.3"]);
    }

    #[test]
    fn of_what_there_should_be_so_many_the_least_counts() {
        let samples = [sample(5, 3.0, 3.0), sample(900_000, 1.0, 1.0), sample(1_800_000, 3.0, 3.0)];
        let chart = Chart::draw("Healthy", Unit::Pieces, HOUR, &samples, Some(3.0)).unwrap();
        assert_eq!((chart.now.as_str(), chart.extreme.as_str(), chart.top.as_str()), ("3", "at least 1", "3"));
        assert!(chart.trace.starts_with("M0 2"), "as many as there should be reach the edge: {}", chart.trace);
    }

    #[test]
    fn what_is_drawn_is_said_as_well() {
        let chart = Chart::draw("CPU of <web>", Unit::Cpus, HOUR, &[sample(5, 0.25, 0.5)], None).unwrap();
        let html = chart.render().unwrap();
        assert!(html.contains("over the last hour: 0.25 now, at most 0.50\""), "{html}");
        assert!(!html.contains("<web>"), "{html}");
    }
}
