//! What must hold before a release of an environment goes live, and how it does: `approvals`, `strategy`, `window`.

use std::ops::RangeInclusive;

use super::{
    fields::{boolean, field, fields, number, one_of, or_report, positive_duration, shown, text, texts, wrong_kind},
    quantities, timezones,
};
use crate::{
    config::{Approvals, Bake, Latency, Limits, Pace, Quota, Share, Strategy, Usage, Window},
    diagnostics::{Problem, Report},
    document::{Entry, Node, Value},
    reference,
};

/// The most people who can be asked for.
const MAX_APPROVALS: u32 = 20;
/// How long a step of a canary is watched unless it says otherwise, in milliseconds.
const DEFAULT_BAKE_MS: u64 = 5 * 60_000;
/// The shares of a canary that does not name them.
const DEFAULT_SHARES: [Share; 2] = [10, 50];
/// How many times what the stable version takes or uses may be allowed.
const TIMES: RangeInclusive<f64> = 1.0..=100.0;
/// The most steps of a canary.
const MAX_SHARES: usize = 20;
/// The most containers that a rolling release may name.
const MAX_QUOTA: u32 = 1_000;
const STRATEGIES: [&str; 4] = ["rolling", "blue-green", "recreate", "canary"];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Reads `approvals`: a number, or a map.
pub(super) fn approvals(node: &Node, report: &mut Report<'_>) -> Option<Approvals> {
    report.within(reference::APPROVALS.anchor, |report| {
        if !matches!(node.value, Value::Map(_)) {
            return Some(Approvals { count: number(node, 0..=MAX_APPROVALS, report)?, author: false });
        }
        let fields = fields(node, &reference::APPROVALS, report)?;
        let Some(count) = field(&fields, "count") else {
            let problem = Problem::new("\"approvals\" does not say how many");
            report.add(node.place, problem.expected("a number, or {count: NUMBER, author: true}"));
            return None;
        };
        let author = field(&fields, "author").and_then(|field| boolean(&field.value, report));
        Some(Approvals { count: number(&count.value, 0..=MAX_APPROVALS, report)?, author: author.unwrap_or_default() })
    })
}

/// Reads `bake`: a duration, or a map.
pub(super) fn bake(node: &Node, report: &mut Report<'_>) -> Option<Bake> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(Bake { ms: long_duration(node, report)?, limits: Limits::default() });
    }
    report.within(reference::BAKE.anchor, |report| {
        let (mut time, mut limits) = (None, Limits::default());
        for field in fields(node, &reference::BAKE, report)? {
            match field.key.as_str() {
                "time" => time = Some(&field.value),
                // Nothing stands beside it that its times could be compared with.
                "max_latency" => limits.max_latency = positive_duration(&field.value, report).map(Latency::Ms),
                _ => limit(field, &mut limits, report),
            }
        }
        let Some(time) = time else {
            let problem = Problem::new("\"bake\" does not say how long");
            report.add(node.place, problem.expected("a duration such as 5m, or {time: 5m, max_cpu: 90%}"));
            return None;
        };
        Some(Bake { ms: long_duration(time, report)?, limits })
    })
}

fn long_duration(node: &Node, report: &mut Report<'_>) -> Option<u64> {
    let written = text(node, "a duration such as 5m", report)?;
    or_report(quantities::long_duration(written), node.place, report)
}

/// Reads `strategy`: a name, or the map of a canary.
pub(super) fn strategy(node: &Node, report: &mut Report<'_>) -> Option<Strategy> {
    report.within(reference::STRATEGY.anchor, |report| match &node.value {
        Value::Scalar(name) => match name.as_str() {
            "rolling" => Some(Strategy::default()),
            "blue-green" => Some(Strategy::BlueGreen { bake_ms: 0 }),
            "recreate" => Some(Strategy::Recreate),
            "canary" => Some(canary()),
            other => {
                let problem = Problem::new(format!("unknown strategy \"{}\"", shown(other)));
                report.add(node.place, problem.expected(one_of(&STRATEGIES)).nearest(other, STRATEGIES));
                None
            }
        },
        Value::Map(_) => settings(node, report),
        _ => {
            wrong_kind(node, &format!("{}, or a map with \"canary\"", one_of(&STRATEGIES)), report);
            None
        }
    })
}

/// A strategy with settings: those of a canary, or the pace of a rolling one.
fn settings(node: &Node, report: &mut Report<'_>) -> Option<Strategy> {
    let fields = fields(node, &reference::STRATEGY, report)?;
    let Some(one) = field(&fields, "rolling").or_else(|| field(&fields, "blue-green")) else {
        return read_canary(node, &fields, report);
    };
    if let Some(other) = fields.iter().find(|field| field.key != one.key) {
        let problem = Problem::new(format!("\"{}\" beside \"{}\"", other.key, one.key));
        report.add(other.place, problem.expected("the settings of one strategy"));
    }
    if one.key == "rolling" {
        return report.within(reference::ROLLING.anchor, |report| pace(&one.value, report)).map(Strategy::Rolling);
    }
    report.within(reference::BLUE_GREEN.anchor, |report| {
        let fields = self::fields(&one.value, &reference::BLUE_GREEN, report)?;
        let bake = field(&fields, "bake").and_then(|bake| positive_duration(&bake.value, report));
        Some(Strategy::BlueGreen { bake_ms: bake.unwrap_or_default() })
    })
}

fn pace(node: &Node, report: &mut Report<'_>) -> Option<Pace> {
    let mut pace = Pace::default();
    for field in fields(node, &reference::ROLLING, report)? {
        let quota = quota(&field.value, report)?;
        if field.key == "surge" { pace.surge = quota } else { pace.unavailable = quota }
    }
    let none = |quota| matches!(quota, Quota::Count(0) | Quota::Percent(0));
    if none(pace.surge) && none(pace.unavailable) {
        let problem = Problem::new("neither \"surge\" nor \"unavailable\": no container could ever be replaced");
        report.add(node.place, problem.expected("at least one of them above 0"));
    }
    Some(pace)
}

fn quota(node: &Node, report: &mut Report<'_>) -> Option<Quota> {
    let expected = "a number of containers, or a share such as 25%";
    let written = text(node, expected, report)?;
    let quota = match written.strip_suffix('%') {
        Some(digits) => digits.trim_end().parse().ok().filter(|percent| *percent <= 100).map(Quota::Percent),
        None => written.parse().ok().filter(|count| *count <= MAX_QUOTA).map(Quota::Count),
    };
    if quota.is_none() {
        let problem = Problem::new(format!("\"{}\" is not a number of containers", shown(written)));
        report.add(node.place, problem.expected(expected));
    }
    quota
}

fn canary() -> Strategy {
    Strategy::Canary { steps: DEFAULT_SHARES.to_vec(), bake_ms: DEFAULT_BAKE_MS, limits: Limits::default() }
}

fn read_canary(node: &Node, fields: &[&Entry], report: &mut Report<'_>) -> Option<Strategy> {
    if field(fields, "canary").is_none() {
        let problem = Problem::new("a strategy with settings is neither \"canary\", \"rolling\" nor \"blue-green\"");
        report.add(node.place, problem.expected("the shares, such as \"canary: [10%, 50%]\", or \"rolling\""));
        return None;
    }
    let mut strategy = canary();
    let Strategy::Canary { steps, bake_ms, limits } = &mut strategy else { return None };
    for field in fields {
        let node = &field.value;
        match field.key.as_str() {
            "canary" => *steps = shares(node, report),
            "bake" => *bake_ms = positive_duration(node, report).unwrap_or_default(),
            "max_latency" => limits.max_latency = latency(node, report),
            _ => limit(field, limits, report),
        }
    }
    Some(strategy)
}

/// Reads a limit that may be a share.
fn limit(field: &Entry, limits: &mut Limits, report: &mut Report<'_>) {
    match field.key.as_str() {
        "max_cpu" => limits.max_cpu = usage(&field.value, report),
        "max_memory" => limits.max_memory = usage(&field.value, report),
        _ => limits.max_errors = percent(&field.value, report),
    }
}

/// A share, so many times the stable version's, or none.
fn usage(node: &Node, report: &mut Report<'_>) -> Option<Usage> {
    let written = text(node, "a share such as 90%, or 2x of the stable version's", report)?;
    match written.strip_suffix('x') {
        _ if written == "off" => Some(Usage::Any),
        Some(times) => or_report(self::times(times.trim_end()), node.place, report).map(Usage::Times),
        None => percent(node, report).map(Usage::Percent),
    }
}

/// A time, so many times the stable version's, or none.
fn latency(node: &Node, report: &mut Report<'_>) -> Option<Latency> {
    let written = text(node, "a duration such as 800ms, or 2x of the stable version's", report)?;
    match written.strip_suffix('x') {
        _ if written == "off" => Some(Latency::Any),
        Some(times) => or_report(self::times(times.trim_end()), node.place, report).map(Latency::Times),
        None => positive_duration(node, report).map(Latency::Ms),
    }
}

fn times(written: &str) -> Result<f64, Problem> {
    let times = written.parse().ok().filter(|times| TIMES.contains(times));
    times.ok_or_else(|| {
        Problem::new(format!("\"{}x\" does not say how many times", shown(written)))
            .expected("a number from 1 to 100 before the \"x\", such as 2x or 1.5x")
    })
}

fn shares(node: &Node, report: &mut Report<'_>) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    let texts = texts(node, "a share such as 10%", report).unwrap_or_default();
    if texts.len() > MAX_SHARES || (texts.is_empty() && matches!(node.value, Value::List(_) | Value::Null)) {
        let problem = Problem::new(format!("there are {} shares here", texts.len()));
        report.add(node.place, problem.expected(format!("1 to {MAX_SHARES} of them, such as [10%, 50%]")));
        return shares;
    }
    for (text, place) in texts {
        let digits = text.strip_suffix('%').unwrap_or(text).trim_end();
        let share = digits.parse::<Share>().ok().filter(|share| (1..=100).contains(share));
        match share {
            None => {
                let problem = Problem::new(format!("\"{}\" is not a share", shown(text)));
                report.add(place, problem.expected("a whole share from 1% to 100%"));
            }
            Some(share) if shares.last().is_some_and(|last| *last >= share) => {
                let problem = Problem::new(format!("{share}% does not grow"));
                report.add(place, problem.expected("shares that grow, such as [10%, 50%]"));
            }
            Some(share) => shares.push(share),
        }
    }
    shares
}

fn percent(node: &Node, report: &mut Report<'_>) -> Option<f64> {
    let expected = "a share from 0% to 100%, such as 1% or 0.5%";
    let written = text(node, expected, report)?;
    let value = written.strip_suffix('%').unwrap_or(written).trim_end().parse::<f64>().ok();
    let value = value.filter(|value| (0.0..=100.0).contains(value));
    if value.is_none() {
        report.add(node.place, Problem::new(format!("\"{}\" is not a share", shown(written))).expected(expected));
    }
    value
}

/// Reads `window`.
pub(super) fn window(node: &Node, report: &mut Report<'_>) -> Option<Window> {
    report.within(reference::WINDOW.anchor, |report| {
        let mut window = Window { days: [true; 7], from_minute: 0, to_minute: 24 * 60, timezone: "UTC".to_owned() };
        for field in fields(node, &reference::WINDOW, report)? {
            let node = &field.value;
            match field.key.as_str() {
                "days" => window.days = days(node, report)?,
                "hours" => {
                    let written = text(node, "hours such as 09:00-16:00", report)?;
                    (window.from_minute, window.to_minute) = or_report(hours(written), node.place, report)?;
                }
                _ => window.timezone = timezones::read(node, report)?,
            }
        }
        Some(window)
    })
}

fn days(node: &Node, report: &mut Report<'_>) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for (text, place) in texts(node, "a day such as Mon, or a span such as Mon-Fri", report)? {
        or_report(add_days(&mut days, text), place, report)?;
    }
    if days == [false; 7] {
        report.add(node.place, Problem::new("there is no day here").expected("at least one, such as Mon-Fri"));
        return None;
    }
    Some(days)
}

/// Adds the days of a list such as `Mon-Wed, Fri`.
pub(super) fn add_days(days: &mut [bool; 7], text: &str) -> Result<(), Problem> {
    for part in text.split(',').map(str::trim) {
        let (first, last) = span(part)?;
        // A span may go over the end of the week: Sat-Mon.
        let mut day = first;
        loop {
            days[day] = true;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Ok(())
}

fn span(text: &str) -> Result<(usize, usize), Problem> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Ok((day(first.trim())?, day(last.trim())?))
}

fn day(name: &str) -> Result<usize, Problem> {
    let lower = name.to_ascii_lowercase();
    let position = |names: &[&str]| names.iter().position(|known| *known == lower);
    position(&DAYS).or_else(|| position(&LONG_DAYS)).ok_or_else(|| {
        Problem::new(format!("\"{}\" is not a day", shown(name))).expected("Mon, Tue, Wed, Thu, Fri, Sat or Sun")
    })
}

pub(super) fn hours(text: &str) -> Result<(u16, u16), Problem> {
    let wrong = || {
        Problem::new(format!("\"{}\" are not hours", shown(text)))
            .expected("hours such as \"09:00-16:00\", or \"22:00-04:00\" into the next day")
    };
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let (from, to) = (minute(from.trim()).ok_or_else(wrong)?, minute(to.trim()).ok_or_else(wrong)?);
    if from == to || from == 24 * 60 { Err(wrong()) } else { Ok((from, to)) }
}

/// A time of the day as minutes; 24:00 is its end.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    if minute.len() != 2 || hour.len() > 2 || !(hour.bytes().chain(minute.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let all = hour.checked_mul(60)?.checked_add(minute)?;
    (minute < 60 && all <= 24 * 60).then_some(all)
}
