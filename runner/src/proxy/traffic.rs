//! What a proxy counted of a route that takes lanes, from Caddy's metrics (<https://caddyserver.com/docs/metrics>).

use prometheus_parse::{Scrape, Value};

use super::lanes::Track;

/// Caddy's histogram of the time from a request to the end of its answer, in seconds.
const DURATION: &str = "caddy_http_request_duration_seconds";
/// The handler that hands requests to containers.
const HANDLER: &str = "reverse_proxy";

/// What was counted of both parts of a divided route.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Traffic {
    /// The containers that served before.
    pub stable: Lane,
    /// Those that are tried.
    pub canary: Lane,
}

/// What was counted of one part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lane {
    /// The requests that were answered.
    pub requests: u64,
    /// Those answered with a status of 500 or more.
    pub errors: u64,
    /// How many took at most so many seconds, by growing time; the last has no bound.
    pub within: Vec<(f64, u64)>,
}

impl Traffic {
    /// Reads the metrics as text.
    pub(super) fn parse(text: &str, id: &str) -> Self {
        let mut traffic = Traffic::default();
        // A line that is none of Caddy's is no reason to know nothing.
        let Ok(scrape) = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))) else { return traffic };
        for sample in scrape.samples.iter().filter(|sample| sample.metric == DURATION) {
            let (Value::Histogram(buckets), Some(HANDLER)) = (&sample.value, sample.labels.get("handler")) else {
                continue;
            };
            let server = sample.labels.get("server").unwrap_or_default();
            let lane = match Track::BOTH.into_iter().find(|track| track.server(id) == server) {
                Some(Track::Stable) => &mut traffic.stable,
                Some(Track::Canary) => &mut traffic.canary,
                None => continue,
            };
            let is_error = sample.labels.get("code").and_then(|code| code.parse::<u16>().ok()) >= Some(500);
            lane.add(buckets.iter().map(|bucket| (bucket.less_than, whole(bucket.count))), is_error);
        }
        traffic
    }

    /// What happened since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Traffic) -> Traffic {
        Traffic { stable: self.stable.since(&earlier.stable), canary: self.canary.since(&earlier.canary) }
    }
}

/// Counts come as floating-point numbers.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is whole and not negative")]
fn whole(count: f64) -> u64 {
    count as u64
}

impl Traffic {
    /// Whether the proxy has begun to count anew since it had counted `earlier`.
    #[must_use]
    pub fn is_anew_since(&self, earlier: &Traffic) -> bool {
        self.stable.requests < earlier.stable.requests || self.canary.requests < earlier.canary.requests
    }
}

impl Lane {
    fn add(&mut self, buckets: impl Iterator<Item = (f64, u64)>, is_error: bool) {
        let mut all = 0;
        for (position, (bound, count)) in buckets.enumerate() {
            match self.within.get_mut(position) {
                Some((_, sum)) => *sum += count,
                None => self.within.push((bound, count)),
            }
            all = all.max(count);
        }
        self.requests += all;
        self.errors += if is_error { all } else { 0 };
    }

    /// What happened since `earlier`. A proxy that was restarted counts from the beginning again.
    #[must_use]
    pub fn since(&self, earlier: &Lane) -> Lane {
        if self.requests < earlier.requests {
            return self.clone();
        }
        let before = |position: usize| earlier.within.get(position).map_or(0, |(_, count)| *count);
        let within = self.within.iter().enumerate();
        Lane {
            requests: self.requests - earlier.requests,
            errors: self.errors.saturating_sub(earlier.errors),
            within: within.map(|(position, (bound, count))| (*bound, count.saturating_sub(before(position)))).collect(),
        }
    }

    /// The share of answers with a status of 500 or more, in percent; none without any answer.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    pub fn error_share(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.errors as f64 * 100.0 / self.requests as f64)
    }

    /// How long the slowest twentieth of the requests took at least, in milliseconds: as far as the counted bounds
    /// tell, in a straight line between them. None without any answer.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a time needs no more digits")]
    pub fn slowest_twentieth_ms(&self) -> Option<f64> {
        let rank = self.requests as f64 * 0.95;
        let (mut bound_before, mut count_before) = (0.0, 0.0);
        for (bound, count) in &self.within {
            let count = *count as f64;
            if count >= rank && count > count_before {
                if !bound.is_finite() {
                    break;
                }
                return Some(
                    (bound_before + (bound - bound_before) * (rank - count_before) / (count - count_before)) * 1_000.0,
                );
            }
            (bound_before, count_before) = (*bound, count);
        }
        (self.requests > 0).then_some(bound_before * 1_000.0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use std::fmt::Write as _;

    use super::Traffic;

    /// The lines of one histogram as Caddy 2.6 writes them.
    fn histogram(server: &str, handler: &str, code: u16, counts: [u64; 3]) -> String {
        let labels = format!("code=\"{code}\",handler=\"{handler}\",method=\"GET\",server=\"{server}\"");
        let mut text = String::new();
        for (bound, count) in ["0.1", "1", "+Inf"].into_iter().zip(counts) {
            writeln!(text, "caddy_http_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {count}").unwrap();
        }
        writeln!(text, "caddy_http_request_duration_seconds_sum{{{labels}}} 0.5").unwrap();
        writeln!(text, "caddy_http_request_duration_seconds_count{{{labels}}} {}", counts[2]).unwrap();
        text
    }

    fn metrics(parts: &[String]) -> String {
        let head = "# HELP caddy_http_request_duration_seconds Histogram.\n# TYPE caddy_http_request_duration_seconds histogram\n";
        format!("# TYPE go_goroutines gauge\ngo_goroutines 12\n{head}{}", parts.concat())
    }

    #[test]
    fn both_lanes_are_read_and_nothing_else() {
        let text = metrics(&[
            histogram("web-stable", "reverse_proxy", 200, [90, 100, 100]),
            histogram("web-stable", "subroute", 200, [900, 1_000, 1_000]),
            histogram("web-canary", "reverse_proxy", 200, [5, 6, 6]),
            histogram("web-canary", "reverse_proxy", 502, [0, 2, 4]),
            histogram("other-canary", "reverse_proxy", 500, [7, 7, 7]),
        ]);
        let traffic = Traffic::parse(&text, "web");
        assert_eq!((traffic.stable.requests, traffic.stable.errors), (100, 0));
        assert_eq!((traffic.canary.requests, traffic.canary.errors), (10, 4));
        assert_eq!(traffic.canary.error_share(), Some(40.0));
        assert_eq!(traffic.stable.slowest_twentieth_ms().unwrap().round(), 550.0, "between 0.1 s and 1 s");
        assert_eq!(traffic.canary.slowest_twentieth_ms(), Some(1_000.0), "what is beyond the last bound counts as it");
    }

    #[test]
    fn what_happened_between_two_looks_is_their_difference() {
        let look = |counts| Traffic::parse(&metrics(&[histogram("web-canary", "reverse_proxy", 200, counts)]), "web");
        let between = look([10, 12, 12]).since(&look([8, 9, 9])).canary;
        assert_eq!((between.requests, between.within[0].1), (3, 2));
        let restarted = look([1, 1, 1]).since(&look([8, 9, 9])).canary;
        assert_eq!(restarted.requests, 1, "a proxy that was restarted counts from the beginning");
    }

    #[test]
    fn no_request_has_no_share() {
        let traffic = Traffic::parse("nonsense {\n", "web");
        assert_eq!(traffic.canary.error_share(), None);
        assert_eq!(traffic.canary.slowest_twentieth_ms(), None);
    }
}
