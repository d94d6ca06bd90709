//! What environments ask for, as people write it on one line outside captain.yml: `10m`, `Mon-Fri 09:00-16:00 Europe/Madrid`,
//! `staging` or `branch main`, `{canary: [10%, 50%], bake: 5m}`.

use std::{fmt, str::FromStr};

use super::{fields::shown, promotion};
use crate::{
    config::{Bake, Latency, Limits, Pace, Quota, Source, Span, Strategy, Usage, Window},
    diagnostics::{Problem, Report},
    document::{self, Node},
};

/// The days, as they are written.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The longest name of a branch or an environment, in bytes.
const MAX_NAME: usize = 200;
/// The longest line of settings, in bytes.
const MAX_SETTINGS: usize = 1_000;
/// What stands before the name of a branch.
const BRANCH: &str = "branch ";

/// A line that cannot be read: what is wrong with it, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

impl From<Problem> for Unreadable {
    fn from(problem: Problem) -> Self {
        Unreadable(match problem.expected {
            Some(expected) => format!("{}: expected {expected}", problem.message),
            None => problem.message,
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        match units.into_iter().find(|(unit, _)| self.ms > 0 && self.ms.is_multiple_of(*unit)) {
            Some((unit, letter)) => write!(f, "{}{letter}", self.ms / unit),
            None => write!(f, "{}ms", self.ms),
        }
    }
}

impl FromStr for Window {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, hours, zone) = match *words.as_slice() {
            [days, hours] => (days, hours, "UTC"),
            [days, hours, zone] => (days, hours, zone),
            _ => {
                let expected = "days, hours and a time zone such as Mon-Fri 09:00-16:00 Europe/Madrid";
                return Err(Problem::new(format!("\"{}\" is no window", shown(text))).expected(expected).into());
            }
        };
        let mut window = Window { days: [false; 7], from_minute: 0, to_minute: 0, timezone: zone.to_owned() };
        promotion::add_days(&mut window.days, days)?;
        (window.from_minute, window.to_minute) = promotion::hours(hours)?;
        if zone.parse::<chrono_tz::Tz>().is_err() {
            let expected = "a name of the IANA database, such as Europe/Madrid or UTC";
            return Err(Problem::new(format!("unknown time zone \"{}\"", shown(zone))).expected(expected).into());
        }
        Ok(window)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<(&str, bool)> = DAYS.into_iter().zip(self.days).collect();
        let spans =
            days.chunk_by(|(_, one), (_, next)| one == next).filter(|span| span.iter().all(|(_, is_in)| *is_in));
        let spans = spans.map(|span| match span {
            [(first, _), .., (last, _)] if span.len() > 2 => format!("{first}-{last}"),
            few => few.iter().map(|(day, _)| *day).collect::<Vec<_>>().join(","),
        });
        let days: Vec<String> = spans.collect();
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{} {}-{} {}", days.join(","), time(self.from_minute), time(self.to_minute), self.timezone)
    }
}

impl FromStr for Source {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let text = text.trim();
        let branch = text.strip_prefix(BRANCH).map(str::trim);
        let name = branch.unwrap_or(text);
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let expected = "the name of an environment such as staging, or a branch such as branch main";
            return Err(Problem::new(format!("\"{}\" is no source", shown(text))).expected(expected).into());
        }
        Ok(match branch {
            Some(branch) => Source::Branch { branch: branch.to_owned() },
            None => Source::Environment { environment: name.to_owned() },
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Branch { branch } => write!(f, "{BRANCH}{branch}"),
            Source::Environment { environment } => f.write_str(environment),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Usage::Percent(share) => write!(f, "{share}%"),
            Usage::Times(times) => write!(f, "{times}x"),
            Usage::Lower { percent, times } => write!(f, "{percent}% and {times}x"),
            Usage::Any => f.write_str("off"),
        }
    }
}

/// Reads what may be settings as captain.yml has them, of which the braces may be left out.
fn read<T>(
    text: &str,
    (what, expected): (&str, &str),
    reads: impl FnOnce(&Node, &mut Report<'_>) -> Option<T>,
) -> Result<T, Unreadable> {
    let text = text.trim();
    let unreadable = || Unreadable::from(Problem::new(format!("\"{}\" is no {what}", shown(text))).expected(expected));
    if text.len() > MAX_SETTINGS {
        return Err(unreadable());
    }
    let is_bare = text.contains(':') && !text.starts_with('{');
    let text = if is_bare { format!("{{{text}}}") } else { text.to_owned() };
    let mut report = Report::new("", &text);
    let read = document::read(&text, &mut report).and_then(|node| reads(&node, &mut report));
    match (report.into_errors().0.into_iter().next(), read) {
        (None, Some(read)) => Ok(read),
        (None, None) => Err(unreadable()),
        (Some(wrong), _) => Err(Problem { expected: wrong.expected, ..Problem::new(wrong.message) }.into()),
    }
}

/// As captain.yml has it: a duration, or settings.
impl FromStr for Bake {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        read(text, ("bake", "a duration such as 10m, or time: 10m, max_cpu: 90%"), promotion::bake)
    }
}

impl fmt::Display for Bake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Span { ms: self.ms };
        if self.limits == Limits::default() {
            return time.fmt(f);
        }
        write!(f, "{{time: {time}, {}}}", self.limits)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = |latency: Latency| match latency {
            Latency::Ms(ms) => Span { ms }.to_string(),
            Latency::Times(times) => format!("{times}x"),
            Latency::Any => "off".to_owned(),
        };
        let told = [
            self.max_cpu.map(|usage| format!("max_cpu: {usage}")),
            self.max_memory.map(|usage| format!("max_memory: {usage}")),
            self.max_errors.map(|share| format!("max_errors: {share}%")),
            self.max_latency.map(|longest| format!("max_latency: {}", latency(longest))),
        ];
        f.write_str(&told.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

/// As captain.yml has it: a name, or settings.
impl FromStr for Strategy {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let expected = "a strategy such as blue-green, or canary: [10%, 50%], bake: 5m";
        read(text, ("strategy", expected), promotion::strategy)
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |ms: u64| Span { ms };
        let quota = |quota: Quota| match quota {
            Quota::Count(count) => count.to_string(),
            Quota::Percent(share) => format!("{share}%"),
        };
        match self {
            Strategy::Rolling(pace) if *pace == Pace::default() => f.write_str("rolling"),
            Strategy::Rolling(Pace { surge, unavailable }) => {
                write!(f, "{{rolling: {{surge: {}, unavailable: {}}}}}", quota(*surge), quota(*unavailable))
            }
            Strategy::BlueGreen { bake_ms: 0 } => f.write_str("blue-green"),
            Strategy::BlueGreen { bake_ms } => write!(f, "{{blue-green: {{bake: {}}}}}", span(*bake_ms)),
            Strategy::Recreate => f.write_str("recreate"),
            Strategy::Canary { steps, bake_ms, limits } => {
                let shares: Vec<String> = steps.iter().map(|share| format!("{share}%")).collect();
                write!(f, "{{canary: [{}], bake: {}", shares.join(", "), span(*bake_ms))?;
                if *limits != Limits::default() {
                    write!(f, ", {limits}")?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a line, as it is written again; or what is wrong with it.
    fn again<T: FromStr<Err = Unreadable> + fmt::Display>(text: &str) -> String {
        text.parse::<T>().map_or_else(|wrong| wrong.to_string(), |read| read.to_string())
    }

    #[test]
    fn what_is_read_is_written_again() {
        for text in ["500ms", "90s", "10m", "1h", "7d"] {
            assert_eq!(again::<Bake>(text), text);
        }
        let limited = "{time: 10m, max_cpu: 90%, max_memory: 2x, max_errors: 0.5%, max_latency: 800ms}";
        assert_eq!(again::<Bake>(limited), limited);
        assert_eq!(again::<Bake>(" time: 10m, max_cpu: off "), "{time: 10m, max_cpu: off}");
        assert_eq!(again::<Window>("Mon-Wed,fri 9:00-16:00"), "Mon-Wed,Fri 09:00-16:00 UTC");
        assert_eq!(again::<Window>("Sat-Tue 9:00-16:00"), "Mon,Tue,Sat,Sun 09:00-16:00 UTC");
        for text in [
            "rolling",
            "recreate",
            "blue-green",
            "{blue-green: {bake: 5m}}",
            "{rolling: {surge: 25%, unavailable: 1}}",
            "{canary: [10%, 50%], bake: 5m, max_cpu: 90%, max_errors: 0.5%, max_latency: 1.5x}",
            "{canary: [1%], bake: 90s, max_latency: 800ms}",
            "{canary: [1%], bake: 90s, max_cpu: 3x, max_memory: off}",
        ] {
            assert_eq!(again::<Strategy>(text), text);
        }
        assert_eq!(again::<Strategy>(" canary: [20%], bake: 1m "), "{canary: [20%], bake: 1m}");
        assert_eq!(again::<Strategy>("canary"), "{canary: [10%, 50%], bake: 5m}");
        let night = "Sat,Sun 22:00-04:00 Europe/Madrid";
        assert_eq!(again::<Window>(night), night);
        assert_eq!([again::<Source>("staging"), again::<Source>(" branch  main ")], ["staging", "branch main"]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let window =
            "\"noon\" is no window: expected days, hours and a time zone such as Mon-Fri 09:00-16:00 Europe/Madrid";
        assert_eq!(again::<Window>("noon"), window);
        assert!(again::<Window>("Mon 09:00-16:00 Middle/Earth").starts_with("unknown time zone"));
        assert!(again::<Window>("Mom 09:00-16:00").starts_with("\"Mom\" is not a day"));
        assert!(again::<Bake>("soon").starts_with("\"soon\" is not a duration"));
        assert!(again::<Bake>("max_cpu: 90%").starts_with("\"bake\" does not say how long"));
        assert!(again::<Strategy>("canry").starts_with("unknown strategy \"canry\""));
        assert!(again::<Strategy>("canary: [0%]").starts_with("\"0%\" is not a share"));
        let wrong = again::<Strategy>("canary: [10%], max_latency: 0.5x");
        assert!(wrong.starts_with("\"0.5x\" does not say how many times"), "{wrong}");
        for text in ["", "{canary: [10%]", "canary: &a [*a]"] {
            assert!(text.parse::<Strategy>().is_err(), "{text}");
        }
        for text in ["", "a b"] {
            assert!(again::<Source>(text).contains("is no source"), "{text}");
        }
    }
}
