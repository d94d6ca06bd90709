//! What environments ask for, as people write it on one line outside captain.yml: `10m`, `Mon-Fri 09:00-16:00 Europe/Madrid`,
//! `staging` or `branch main`.

use std::{fmt, str::FromStr};

use super::{fields::shown, promotion, quantities};
use crate::{
    config::{Source, Span, Window},
    diagnostics::Problem,
};

/// The days, as they are written.
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The longest name of a branch or an environment, in bytes.
const MAX_NAME: usize = 200;
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

impl FromStr for Span {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        Ok(Span { ms: quantities::long_duration(text)? })
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
        let days: Vec<&str> = DAYS.into_iter().zip(self.days).filter(|(_, is_in)| *is_in).map(|(day, _)| day).collect();
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
            assert_eq!(again::<Span>(text), text);
        }
        assert_eq!(again::<Window>("Mon-Wed,fri 9:00-16:00"), "Mon,Tue,Wed,Fri 09:00-16:00 UTC");
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
        assert!(again::<Span>("soon").starts_with("\"soon\" is not a duration"));
        for text in ["", "a b"] {
            assert!(again::<Source>(text).contains("is no source"), "{text}");
        }
    }
}
