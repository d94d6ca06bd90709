//! What the proxy counted of a version's answers, and when it is too much.

use slipway_pipelines::config::{Latency, Limits};

use crate::proxy::{Lane, Traffic};

/// How many answers a share is judged by before the watching is over; at its end, any number counts.
const ENOUGH_REQUESTS: u64 = 20;
/// Without a limit of its own, how many percentage points more answers of 5xx than the stable version's are too many.
const MORE_ERRORS_THAN_STABLE: f64 = 5.0;
/// Without a limit of its own, how many times as slow as the stable version is too slow.
const TIMES_AS_SLOW: f64 = 2.0;
/// How many answers of both versions it takes to compare their times: of few, the slowest tell of chance.
const ENOUGH_TO_COMPARE: u64 = 100;
/// How much slower than the stable version, in milliseconds, nobody minds, however many times that is.
const NEVER_MINDED_MS: f64 = 100.0;

/// What is wrong with the new version's answers, beside the stable one's. While the watching goes on, few say nothing yet.
pub(super) fn judge(limits: &Limits, traffic: &Traffic, is_over: bool) -> Option<String> {
    if !is_over && traffic.canary.requests < ENOUGH_REQUESTS {
        return None;
    }
    let stable = &traffic.stable;
    too_many_errors(&traffic.canary, Some(most_errors(limits, stable)), Some(stable))
        .or_else(|| too_slow(&traffic.canary, longest_ms(limits, traffic), Some(stable)))
}

/// What is wrong with the answers of a version that there is none beside.
pub(crate) fn judge_alone(limits: &Limits, lane: &Lane) -> Option<String> {
    if lane.requests < ENOUGH_REQUESTS {
        return None;
    }
    let longest = match limits.max_latency {
        Some(Latency::Ms(ms)) => Some(exact(ms)),
        Some(Latency::Times(_) | Latency::Any) | None => None,
    };
    too_many_errors(lane, limits.max_errors, None).or_else(|| too_slow(lane, longest, None))
}

/// The largest share of answers 5xx that the new version may have, in percent.
pub(super) fn most_errors(limits: &Limits, stable: &Lane) -> f64 {
    limits.max_errors.unwrap_or_else(|| stable.error_share().unwrap_or(0.0) + MORE_ERRORS_THAN_STABLE)
}

/// The longest that the slowest twentieth of the new version's answers may take, in milliseconds; none where that is not
/// judged, or cannot be told yet.
pub(super) fn longest_ms(limits: &Limits, traffic: &Traffic) -> Option<f64> {
    let times = match limits.max_latency {
        Some(Latency::Ms(ms)) => return Some(exact(ms)),
        Some(Latency::Any) => return None,
        Some(Latency::Times(times)) => times,
        None => TIMES_AS_SLOW,
    };
    let enough = traffic.canary.requests.min(traffic.stable.requests) >= ENOUGH_TO_COMPARE;
    let stable = traffic.stable.slowest_twentieth_ms().filter(|_| enough)?;
    Some((stable * times).max(stable + NEVER_MINDED_MS))
}

fn too_many_errors(lane: &Lane, limit: Option<f64>, stable: Option<&Lane>) -> Option<String> {
    let (share, limit) = (lane.error_share()?, limit?);
    let beside = stable.map(|stable| stable.error_share().unwrap_or(0.0));
    let beside = beside.map(|share| format!(", the stable version had {share:.1} %")).unwrap_or_default();
    let Lane { errors, requests, .. } = lane;
    (share > limit)
        .then(|| format!("{errors} of its {requests} answers were 5xx ({share:.1} %; allowed {limit:.1} %{beside})"))
}

fn too_slow(lane: &Lane, limit: Option<f64>, stable: Option<&Lane>) -> Option<String> {
    let (took, limit) = (lane.slowest_twentieth_ms()?, limit?);
    let beside = stable.and_then(Lane::slowest_twentieth_ms);
    let beside = beside.map(|took| format!(", the stable version {took:.0} ms")).unwrap_or_default();
    (took > limit)
        .then(|| format!("the slowest twentieth of its answers took {took:.0} ms (allowed {limit:.0} ms{beside})"))
}

#[expect(clippy::cast_precision_loss, reason = "a time needs no more digits")]
fn exact(ms: u64) -> f64 {
    ms as f64
}

/// What was counted, in a sentence.
pub(super) fn summary(traffic: &Traffic) -> String {
    let lane = |lane: &Lane| match (lane.error_share(), lane.slowest_twentieth_ms()) {
        (Some(share), Some(took)) => {
            format!("{} requests, {share:.1} % of them 5xx, the slowest twentieth {took:.0} ms", lane.requests)
        }
        _ => "no requests".to_owned(),
    };
    format!("the new version: {}; the stable one: {}", lane(&traffic.canary), lane(&traffic.stable))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::{Lane, Latency, Limits, Traffic, judge, judge_alone};

    const NONE: Limits = Limits { max_cpu: None, max_memory: None, max_errors: None, max_latency: None };

    fn lane(requests: u64, errors: u64, slow: u64) -> Lane {
        Lane { requests, errors, within: vec![(0.1, requests - slow), (1.0, requests), (f64::INFINITY, requests)] }
    }

    #[test]
    fn few_answers_are_judged_at_the_end_only() {
        let traffic = Traffic { stable: lane(100, 0, 0), canary: lane(2, 1, 0) };
        assert_eq!(judge(&NONE, &traffic, false), None);
        assert_eq!(
            judge(&NONE, &traffic, true).unwrap(),
            "1 of its 2 answers were 5xx (50.0 %; allowed 5.0 %, the stable version had 0.0 %)"
        );
        assert_eq!(judge(&NONE, &Traffic::default(), true), None, "nobody came");
    }

    #[test]
    fn without_a_limit_the_stable_version_is_the_measure_of_errors() {
        let as_bad = Traffic { stable: lane(100, 30, 0), canary: lane(100, 34, 0) };
        assert_eq!(judge(&NONE, &as_bad, false), None);
        let limited = Limits { max_errors: Some(1.0), ..NONE };
        assert!(judge(&limited, &as_bad, false).unwrap().starts_with("34 of its 100 answers were 5xx"));
    }

    #[test]
    fn without_a_limit_the_stable_version_is_the_measure_of_times() {
        let slow = |requests: u64| Traffic { stable: lane(100, 0, 0), canary: lane(requests, 0, requests / 2) };
        assert_eq!(
            judge(&NONE, &slow(100), false).unwrap(),
            "the slowest twentieth of its answers took 910 ms (allowed 195 ms, the stable version 95 ms)"
        );
        assert_eq!(judge(&NONE, &slow(90), true), None, "too few to compare, also at the end");
        let both = Traffic { stable: lane(100, 0, 50), canary: lane(100, 0, 60) };
        assert_eq!(judge(&NONE, &both, true), None, "the stable version is as slow");
        let times = |times| Limits { max_latency: Some(Latency::Times(times)), ..NONE };
        assert_eq!(judge(&times(10.0), &slow(100), false), None);
        let any = Limits { max_latency: Some(Latency::Any), ..NONE };
        assert_eq!(judge(&any, &slow(100), false), None);
    }

    #[test]
    fn a_limit_in_milliseconds_asks_nobody_else() {
        let limits = Limits { max_latency: Some(Latency::Ms(200)), ..NONE };
        let traffic = Traffic { stable: lane(20, 0, 0), canary: lane(20, 0, 10) };
        let breach = judge(&limits, &traffic, false).unwrap();
        assert!(breach.ends_with("took 910 ms (allowed 200 ms, the stable version 95 ms)"), "{breach}");
    }

    #[test]
    fn what_stands_alone_is_judged_by_its_limits_alone() {
        assert_eq!(judge_alone(&NONE, &lane(100, 100, 100)), None);
        let limits = Limits { max_errors: Some(1.0), max_latency: Some(Latency::Ms(200)), ..NONE };
        assert_eq!(judge_alone(&limits, &lane(19, 19, 0)), None, "too few");
        let breach = judge_alone(&limits, &lane(100, 2, 0)).unwrap();
        assert_eq!(breach, "2 of its 100 answers were 5xx (2.0 %; allowed 1.0 %)");
        let breach = judge_alone(&limits, &lane(100, 0, 50)).unwrap();
        assert_eq!(breach, "the slowest twentieth of its answers took 910 ms (allowed 200 ms)");
        let compared = Limits { max_latency: Some(Latency::Times(2.0)), ..NONE };
        assert_eq!(judge_alone(&compared, &lane(100, 0, 50)), None, "there is nothing to compare with");
    }
}
