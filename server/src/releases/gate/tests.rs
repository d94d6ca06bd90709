use chrono::DateTime;
use slipway_pipelines::config::{Approvals, Bake, Limits, Source, Strategy, Window};

use super::*;
use crate::environments::Written;

/// Monday, 21 September 2026, 14:13:20 UTC.
const NOW: i64 = 1_790_000_000_000;
const MINUTE: i64 = 60_000;

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis()).unwrap_or_default()
}

fn window(days: &str, from: u16, to: u16, zone: &str) -> Window {
    let days: Vec<bool> = days.chars().map(|day| day != '-').collect();
    Window {
        days: days.try_into().unwrap_or([false; 7]),
        from_minute: from * 60,
        to_minute: to * 60,
        timezone: zone.to_owned(),
    }
}

#[test]
fn windows_open_by_the_clocks_of_their_zone() {
    let office = window("MTWTF--", 9, 16, "Europe/Madrid");
    let always = window("MTWTFSS", 0, 24, "UTC");
    let night = window("----FS-", 22, 4, "America/New_York");
    let midnight = window("MTWTFSS", 22, 0, "UTC");
    let sunday = window("------S", 2, 3, "Europe/Madrid");
    let open = |window: &Window, now: &str| hours(window, at(now));
    // (window, now, when it opens; empty where it is open, in words)
    let table: &[(&Window, &str, &str, &str)] = &[
        (&always, "2026-09-21T00:00:00Z", "", ""),
        (&always, "2026-09-21T23:59:59Z", "", ""),
        // Summer time: 09:00 in Madrid is 07:00 UTC.
        (&office, "2026-09-21T06:59:59Z", "2026-09-21T07:00:00Z", "today 09:00 Europe/Madrid"),
        (&office, "2026-09-21T07:00:00Z", "", ""),
        (&office, "2026-09-21T13:59:59Z", "", ""),
        (&office, "2026-09-21T14:00:00Z", "2026-09-22T07:00:00Z", "tomorrow 09:00 Europe/Madrid"),
        (&office, "2026-09-25T15:00:00Z", "2026-09-28T07:00:00Z", "Monday 09:00 Europe/Madrid"),
        // Winter time begins on 25 October: 09:00 is 08:00 UTC from then on.
        (&office, "2026-10-23T15:00:00Z", "2026-10-26T08:00:00Z", "Monday 09:00 Europe/Madrid"),
        // Past midnight it is still Monday's UTC date, but Tuesday in Madrid.
        (&office, "2026-09-21T22:30:00Z", "2026-09-22T07:00:00Z", "today 09:00 Europe/Madrid"),
        // Over midnight: of the day on which it begins, there and not in UTC.
        (&night, "2026-09-26T01:59:00Z", "2026-09-26T02:00:00Z", "today 22:00 America/New_York"),
        (&night, "2026-09-26T02:00:00Z", "", ""),
        (&night, "2026-09-27T07:59:59Z", "", ""),
        (&night, "2026-09-27T08:00:00Z", "2026-10-03T02:00:00Z", "Friday 22:00 America/New_York"),
        (&midnight, "2026-09-21T23:59:59Z", "", ""),
        (&midnight, "2026-09-22T00:00:00Z", "2026-09-22T22:00:00Z", "today 22:00 UTC"),
        // On 29 March 2026 there is no hour from 2 to 3 in Madrid: nothing opens that day but a moment that is closed again.
        (&sunday, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "tomorrow 03:00 Europe/Madrid"),
        (&sunday, "2026-03-29T01:00:00Z", "2026-04-05T00:00:00Z", "5 April 02:00 Europe/Madrid"),
        // On 25 October that hour is there twice.
        (&sunday, "2026-10-25T00:30:00Z", "", ""),
        (&sunday, "2026-10-25T01:30:00Z", "", ""),
        (&sunday, "2026-10-25T02:00:00Z", "2026-11-01T01:00:00Z", "1 November 02:00 Europe/Madrid"),
    ];
    for (window, now, opens, words) in table {
        let expected = if opens.is_empty() { Hours::Open } else { Hours::OpensAt(at(opens), (*words).to_owned()) };
        assert_eq!(open(window, now), expected, "{} {now}", window.timezone);
    }
    assert_eq!(hours(&window("MTWTFSS", 0, 24, "Middle/Earth"), NOW), Hours::Unknown, "it lets nothing in");
    assert_eq!(hours(&window("-------", 0, 24, "UTC"), NOW), Hours::Unknown);
}

#[test]
fn every_opening_is_open_or_followed_by_a_later_one() {
    let zones = ["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"];
    for zone in zones {
        for from in 0..24 {
            let of = Window { from_minute: from * 60 + 30, to_minute: from * 60 + 45, ..window("MTWTFSS", 0, 0, zone) };
            let mut now = at("2026-01-01T00:00:00Z");
            while now < at("2027-01-01T00:00:00Z") {
                match hours(&of, now) {
                    Hours::Open => now += 15 * MINUTE,
                    Hours::OpensAt(opens, _) => {
                        assert!(opens > now && opens < now + 3 * 24 * 60 * MINUTE, "{zone} {from}: {now} {opens}");
                        now = opens;
                    }
                    Hours::Unknown => panic!("{zone} {from}"),
                }
            }
        }
    }
}

/// Rules that ask for nothing.
fn rules<'a>(settings: &'a Settings, protection: &'a Protection, freeze: Option<&'a Freeze>) -> Rules<'a> {
    Rules { environment: "production", settings, protection, freeze }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn agreed(people: &[&str]) -> Facts {
    Facts { approving: names(people), authors: names(&["Ada"]), ..Facts::default() }
}

fn waits(why: &str) -> Verdict {
    Verdict::Wait { why: why.to_owned(), until: None }
}

#[test]
fn nothing_asked_nothing_waited_for() {
    assert_eq!(gate(rules(&Settings::default(), &Protection::default(), None), &Facts::default(), NOW), Verdict::Admit);
}

#[test]
fn people_are_counted_once_and_the_stricter_of_both_holds() {
    let captain = |count, author| Settings { approvals: Approvals { count, author }, ..Settings::default() };
    let server = |approvals, author, approvers: &[&str]| Protection {
        approvals,
        author,
        approvers: names(approvers),
        ..Protection::default()
    };
    let nobody: &[&str] = &[];
    let table: &[(Settings, Protection, &[&str], Verdict)] = &[
        (captain(1, false), server(0, false, nobody), nobody, waits("waiting for 1 more approval")),
        (captain(2, false), server(0, false, nobody), &["bo"], waits("waiting for 1 more approval (approved by bo)")),
        (captain(2, false), server(0, false, nobody), &["bo", "cy"], Verdict::Admit),
        // The author's own does not count unless captain.yml says so, and the server does not say otherwise.
        (captain(1, false), server(0, false, nobody), &["ADA "], waits("waiting for 1 more approval")),
        (captain(1, true), server(0, false, nobody), &["ada"], Verdict::Admit),
        (captain(1, true), server(1, false, nobody), &["ada"], waits("waiting for 1 more approval")),
        (captain(1, false), server(1, true, nobody), &["ada"], waits("waiting for 1 more approval")),
        (captain(1, true), server(1, true, nobody), &["ada"], Verdict::Admit),
        (captain(0, false), server(1, true, nobody), &["ada"], Verdict::Admit),
        // A commit that asks for fewer, or for nobody, changes nothing of what the server asks for.
        (captain(0, true), server(2, false, nobody), nobody, waits("waiting for 2 more approvals")),
        (captain(3, false), server(1, false, nobody), &["bo"], waits("waiting for 2 more approvals (approved by bo)")),
        (captain(1, false), server(0, false, &["Cy"]), &["bo"], waits("waiting for 1 more approval of Cy")),
        (captain(1, false), server(0, false, &["Cy"]), &["bo", "cy"], Verdict::Admit),
    ];
    for (settings, protection, people, expected) in table {
        let verdict = gate(rules(settings, protection, None), &agreed(people), NOW);
        assert_eq!(verdict, *expected, "{:?} {protection:?} {people:?}", settings.approvals);
    }
}

#[test]
fn a_branch_that_is_not_let_in_is_refused() {
    let protection = Protection { branches: names(&["main", "release/*"]), ..Protection::default() };
    let of = |branches: &[Option<&str>]| {
        let branches = branches.iter().map(|branch| branch.map(str::to_owned)).collect();
        gate(rules(&Settings::default(), &protection, None), &Facts { branches, ..Facts::default() }, NOW)
    };
    let refused = |from: &str| Verdict::Refuse {
        why: format!("production lets in builds of main, release/* alone, and this is of {from}"),
    };
    assert_eq!(of(&[Some("main"), Some("release/1.2")]), Verdict::Admit);
    assert_eq!(of(&[Some("main"), Some("evil")]), refused("branch evil"), "every build that it holds counts");
    assert_eq!(of(&[Some("mainly")]), refused("branch mainly"));
    assert_eq!(of(&[None]), refused("no branch"));
}

#[test]
fn a_release_must_have_been_live_in_its_source_for_long_enough() {
    let settings = Settings { bake_ms: 300_000, ..Settings::default() };
    let of = |since: i64, until: Option<i64>| {
        let stay = Stay { environment: "staging".to_owned(), number: 4, since, until, breach: None, doubt: None };
        let facts = Facts { stay: Some(stay), ..Facts::default() };
        gate(rules(&settings, &Protection::default(), None), &facts, NOW)
    };
    assert_eq!(
        of(NOW - MINUTE, None),
        Verdict::Wait {
            why: "staging #4 must have been live there for 5 min, until 21 Sep 14:17:20 UTC".to_owned(),
            until: Some(NOW + 4 * MINUTE)
        }
    );
    assert_eq!(of(NOW - 5 * MINUTE, None), Verdict::Admit);
    assert_eq!(of(NOW - 9 * MINUTE, Some(NOW - 4 * MINUTE)), Verdict::Admit, "it was, though another is live by now");
    let why = "staging #4 was live there for 1 min 30 s only, and production asks for 5 min".to_owned();
    assert_eq!(of(NOW - 9 * MINUTE, Some(NOW - 9 * MINUTE + 90_000)), Verdict::Refuse { why });
}

#[test]
fn what_was_found_wanting_in_its_source_does_not_follow() {
    let of = |bake_ms: u64| {
        let breach = Some("web: replica 1 used 100 % of its CPU (allowed 50 %)".to_owned());
        let stay = Stay {
            environment: "staging".to_owned(),
            number: 4,
            since: NOW - MINUTE,
            until: None,
            breach,
            doubt: None,
        };
        let settings = Settings { bake_ms, ..Settings::default() };
        let facts = Facts { stay: Some(stay), ..Facts::default() };
        gate(rules(&settings, &Protection::default(), None), &facts, NOW)
    };
    let why = "staging #4 was found wanting there: web: replica 1 used 100 % of its CPU (allowed 50 %)".to_owned();
    assert_eq!(of(300_000), Verdict::Refuse { why });
    assert_eq!(of(0), Verdict::Admit, "nobody asks how it was there");
}

#[test]
fn a_freeze_holds_until_its_end() {
    let freeze = |until| Freeze { by: "ana".to_owned(), reason: "sale".to_owned(), since: NOW - 1, until };
    let of =
        |until| gate(rules(&Settings::default(), &Protection::default(), Some(&freeze(until))), &Facts::default(), NOW);
    assert_eq!(of(None), waits("production is frozen by ana: sale"));
    let why = "production is frozen by ana until 21 Sep 14:13:21 UTC: sale".to_owned();
    assert_eq!(of(Some(NOW + 1_000)), Verdict::Wait { why, until: Some(NOW + 1_000) });
    assert_eq!(of(Some(NOW)), Verdict::Admit);
}

#[test]
fn all_that_is_waited_for_is_told_and_the_next_moment_wakes() {
    let settings = Settings {
        approvals: Approvals { count: 1, author: false },
        window: Some(window("MTWTFSS", 20, 22, "UTC")),
        bake_ms: 3_600_000,
        ..Settings::default()
    };
    let stay =
        Stay { environment: "staging".to_owned(), number: 4, since: NOW, until: None, breach: None, doubt: None };
    let facts = Facts { stay: Some(stay), ..Facts::default() };
    let verdict = gate(rules(&settings, &Protection::default(), None), &facts, NOW);
    let why = "staging #4 must have been live there for 1 h, until 21 Sep 15:13:20 UTC; waiting for 1 more approval; \
               its window opens today 20:00 UTC";
    assert_eq!(verdict, Verdict::Wait { why: why.to_owned(), until: Some(NOW + 3_600_000) });
}

#[test]
fn what_was_made_before_the_server_asked_for_another_strategy_does_not_enter() {
    let canary = Strategy::Canary { steps: vec![10], bake_ms: 60_000, limits: Limits::default() };
    let protection = Protection { strategy: Some(Written(canary.clone())), ..Protection::default() };
    let settings = Settings::default();
    let says = |strategy: Option<Strategy>| {
        gate(rules(&settings, &protection, None), &Facts { strategy, ..Facts::default() }, NOW)
    };
    let why = "production asks for the strategy {canary: [10%], bake: 1m}, and this was made for rolling".to_owned();
    assert_eq!(says(Some(Strategy::default())), Verdict::Refuse { why });
    assert_eq!([says(Some(canary)), says(None)], [Verdict::Admit, Verdict::Admit]);
}

#[test]
fn the_server_asks_for_more_and_never_for_less() {
    let protection = |bake: Option<u64>, at: Option<&Window>, from: Option<&str>| Protection {
        bake: bake.map(|ms| Written(Bake { ms, ..Bake::default() })),
        window: at.cloned().map(Written),
        from: from.map(|name| Written(Source::Environment { environment: name.to_owned() })),
        ..Protection::default()
    };
    let stay = |minutes: i64| Stay {
        environment: "staging".to_owned(),
        number: 4,
        since: NOW - minutes * MINUTE,
        until: None,
        breach: None,
        doubt: None,
    };
    let staging = Source::Environment { environment: "staging".to_owned() };
    let facts = Facts { stay: Some(stay(6)), from: Some(staging), ..Facts::default() };
    let says = |settings: &Settings, protection: &Protection| gate(rules(settings, protection, None), &facts, NOW);
    let baking = |bake_ms: u64| Settings { bake_ms, ..Settings::default() };
    let longer = |minutes: &str, until: &str, at: i64| Verdict::Wait {
        why: format!("staging #4 must have been live there for {minutes}, until 21 Sep {until} UTC"),
        until: Some(at),
    };
    let ten = longer("10 min", "14:17:20", NOW + 4 * MINUTE);
    assert_eq!(says(&baking(0), &protection(Some(600_000), None, None)), ten);
    assert_eq!(says(&baking(300_000), &protection(Some(600_000), None, None)), ten);
    assert_eq!(says(&baking(600_000), &protection(Some(300_000), None, None)), ten);
    assert_eq!(says(&baking(0), &protection(Some(300_000), None, None)), Verdict::Admit);

    // Open now by one, and in an hour by the other.
    let (open, later) = (window("MTWTFSS", 14, 15, "UTC"), window("MTWTFSS", 15, 16, "UTC"));
    let with = |window: &Window| Settings { window: Some(window.clone()), ..Settings::default() };
    let opens =
        Verdict::Wait { why: "its window opens today 15:00 UTC".to_owned(), until: Some(at("2026-09-21T15:00:00Z")) };
    assert_eq!(says(&with(&open), &protection(None, Some(&open), None)), Verdict::Admit);
    assert_eq!(says(&with(&open), &protection(None, Some(&later), None)), opens);
    assert_eq!(says(&with(&later), &protection(None, Some(&open), None)), opens);

    assert_eq!(says(&baking(0), &protection(None, None, Some("staging"))), Verdict::Admit);
    let why = "production takes its releases from qa alone, and this comes from staging".to_owned();
    assert_eq!(says(&baking(0), &protection(None, None, Some("qa"))), Verdict::Refuse { why });
}

#[test]
fn time_proves_nothing_of_what_is_not_known_to_be_well() {
    let of = |bake_ms: u64| {
        let doubt = Some("its runner one is not heard of".to_owned());
        let stay = Stay { environment: "staging".to_owned(), number: 4, since: 0, until: None, breach: None, doubt };
        let settings = Settings { bake_ms, ..Settings::default() };
        let facts = Facts { stay: Some(stay), ..Facts::default() };
        gate(rules(&settings, &Protection::default(), None), &facts, NOW)
    };
    assert_eq!(of(300_000), waits("staging #4 must be well there: its runner one is not heard of"));
    assert_eq!(of(0), Verdict::Admit, "nobody asks how it was there");
}
