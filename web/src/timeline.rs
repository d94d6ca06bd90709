//! Which release was live when, and which did not get there: a strip over the time that the charts below it show.

use std::fmt;

use askama::Template;

use crate::{chart::Span, state::State, time::When};

/// A strip narrower than this share of the whole, in percent, has no room for its number.
const LABELLED: f64 = 4.5;
/// How wide a strip is at least, in percent: what was live for a moment can still be pointed at.
const LEAST: f64 = 0.35;

/// A release as the strip shows it. Times in unix milliseconds.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Its number.
    pub number: i64,
    /// Its page.
    pub address: String,
    /// Where it stands.
    pub state: State,
    /// When its rollout ended: it went live, or failed.
    pub since: i64,
    /// When something else took its place; none while it is live, and for what never was.
    pub until: Option<i64>,
}

/// The strip.
#[derive(Debug, Clone, Default, Template)]
#[template(path = "timeline.html")]
pub struct Timeline {
    strips: Vec<Strip>,
    failures: Vec<Failure>,
    span: &'static str,
}

impl askama::filters::HtmlSafe for Timeline {}

/// A release that was live in this time.
#[derive(Debug, Clone)]
struct Strip {
    number: i64,
    address: String,
    state: State,
    x: Percent,
    width: Percent,
    has_room: bool,
    when: String,
}

/// A release whose rollout failed in this time.
#[derive(Debug, Clone)]
struct Failure {
    number: i64,
    address: String,
    x: Percent,
    when: String,
}

/// A share of the strip's width.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}%", self.0)
    }
}

impl askama::filters::HtmlSafe for Percent {}

impl Timeline {
    /// Draws what was live and what failed within the span; none where there is neither.
    #[must_use]
    pub fn draw(span: Span, passages: &[Passage]) -> Option<Self> {
        let exact = |at: i64| When { at, now: span.until }.exact();
        let mut drawn = Timeline { span: span.name, ..Timeline::default() };
        for passage in passages {
            let is_over = passage.until.is_some_and(|until| until <= span.since);
            if passage.since > span.until || is_over {
                continue;
            }
            let x = share(span, passage.since);
            let (number, address) = (passage.number, passage.address.clone());
            match passage.state {
                State::Live | State::Retired => {
                    let width = (share(span, passage.until.unwrap_or(span.until)) - x).clamp(LEAST, 100.0);
                    drawn.strips.push(Strip {
                        number,
                        address,
                        state: passage.state,
                        x: Percent(x.min(100.0 - LEAST)),
                        width: Percent(width),
                        has_room: width >= LABELLED,
                        when: match passage.until {
                            Some(until) => format!("{} to {}", exact(passage.since), exact(until)),
                            None => format!("since {}", exact(passage.since)),
                        },
                    });
                }
                State::Failed if passage.since >= span.since => {
                    drawn.failures.push(Failure { number, address, x: Percent(x), when: exact(passage.since) });
                }
                _ => {}
            }
        }
        (!drawn.strips.is_empty() || !drawn.failures.is_empty()).then_some(drawn)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing needs no more digits")]
fn share(span: Span, at: i64) -> f64 {
    let length = (span.until - span.since).max(1) as f64;
    ((at - span.since) as f64 / length * 100.0).clamp(0.0, 100.0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    const SPAN: Span = Span { since: 1_000, until: 2_000, gap: 10, name: "hour" };

    fn passage(number: i64, state: State, since: i64, until: Option<i64>) -> Passage {
        Passage { number, address: format!("/r/{number}"), state, since, until }
    }

    #[test]
    fn what_was_live_fills_its_time_and_what_failed_is_marked() {
        let drawn = Timeline::draw(
            SPAN,
            &[
                passage(4, State::Live, 1_500, None),
                passage(3, State::Failed, 1_250, None),
                passage(2, State::Retired, 400, Some(1_500)),
                passage(1, State::Retired, 100, Some(400)),
            ],
        )
        .unwrap();
        let strips: Vec<_> = drawn.strips.iter().map(|strip| (strip.number, strip.x.0, strip.width.0)).collect();
        assert_eq!(strips, [(4, 50.0, 50.0), (2, 0.0, 50.0)], "what was over before is left out");
        assert_eq!(drawn.failures.iter().map(|failure| failure.x.0).collect::<Vec<_>>(), [25.0]);
        let html = drawn.to_string();
        assert!(
            html.contains("#3 failed") && html.contains("href=\"/r/4\"") && html.contains("x=\"50.00%\""),
            "{html}"
        );
    }

    #[test]
    fn what_was_live_for_a_moment_can_be_pointed_at_and_has_no_number() {
        let drawn = Timeline::draw(SPAN, &[passage(2, State::Retired, 2_000, Some(2_000))]).unwrap();
        let strip = drawn.strips.first().unwrap();
        assert_eq!((strip.x.0, strip.width.0, strip.has_room), (100.0 - LEAST, LEAST, false));
    }

    #[test]
    fn nothing_is_no_strip() {
        assert!(Timeline::draw(SPAN, &[]).is_none());
        let out_of_sight = [
            passage(1, State::Superseded, 1_200, None),
            passage(2, State::Failed, 900, None),
            passage(3, State::Live, 2_001, None),
        ];
        assert!(Timeline::draw(SPAN, &out_of_sight).is_none());
    }
}
