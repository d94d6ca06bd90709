//! Windows: whether one is open, and when it opens next, by the clocks of its time zone.

use chrono::{
    DateTime, Datelike as _, Days, LocalResult, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Timelike as _,
};
use chrono_tz::Tz;
use slipway_pipelines::config::Window;

/// How far ahead an opening is looked for, in days: over a week, and over a day that a change of clocks takes out of it.
const DAYS_AHEAD: u64 = 15;
/// The longest step of clocks that is looked over, in minutes.
const LONGEST_GAP: i64 = 24 * 60;

/// A window at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hours {
    /// A release may begin.
    Open,
    /// It may not before this, in unix milliseconds; in words by the window's own clocks.
    OpensAt(i64, String),
    /// Its time zone is none that is known.
    Unknown,
}

/// How the window stands at `now` (unix milliseconds). One whose hours end before they begin ends on the next day, and
/// is of the day that it begins on.
pub(super) fn hours(window: &Window, now: i64) -> Hours {
    let (Ok(zone), Some(utc)) = (window.timezone.parse::<Tz>(), DateTime::from_timestamp_millis(now)) else {
        return Hours::Unknown;
    };
    let local = utc.with_timezone(&zone);
    if is_open(window, &local) {
        return Hours::Open;
    }
    let today = local.date_naive();
    let days = (0..DAYS_AHEAD).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
    let openings = days.filter(|day| takes(window, *day)).filter_map(|day| begins(window, day, zone));
    match openings.filter(|opening| *opening > local).min() {
        Some(opening) => Hours::OpensAt(opening.timestamp_millis(), in_words(&opening, &local, &window.timezone)),
        None => Hours::Unknown,
    }
}

fn is_open(window: &Window, local: &DateTime<Tz>) -> bool {
    let day = local.date_naive();
    let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(u16::MAX);
    if window.from_minute < window.to_minute {
        return takes(window, day) && (window.from_minute..window.to_minute).contains(&minute);
    }
    let since_yesterday = day.pred_opt().is_some_and(|yesterday| takes(window, yesterday));
    (takes(window, day) && minute >= window.from_minute) || (since_yesterday && minute < window.to_minute)
}

fn takes(window: &Window, day: NaiveDate) -> bool {
    usize::try_from(day.weekday().num_days_from_monday()).is_ok_and(|index| window.days[index])
}

/// When the window of a day begins. An hour that the clocks leave out begins where they go on; of one that they show
/// twice it is the first.
fn begins(window: &Window, day: NaiveDate, zone: Tz) -> Option<DateTime<Tz>> {
    let wanted = day.and_hms_opt(0, 0, 0)? + TimeDelta::minutes(window.from_minute.into());
    (0..=LONGEST_GAP).find_map(|minutes| at(wanted + TimeDelta::minutes(minutes), zone))
}

fn at(wanted: NaiveDateTime, zone: Tz) -> Option<DateTime<Tz>> {
    match zone.from_local_datetime(&wanted) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time),
        LocalResult::None => None,
    }
}

fn in_words(opening: &DateTime<Tz>, now: &DateTime<Tz>, zone: &str) -> String {
    let days = (opening.date_naive() - now.date_naive()).num_days();
    let day = match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        2..=6 => opening.format("%A").to_string(),
        _ => opening.format("%-d %B").to_string(),
    };
    format!("{day} {} {zone}", opening.format("%H:%M"))
}
