//! Times as Unix cron has them, judged field by field.

use super::fields::shown;
use crate::diagnostics::Problem;

/// One of the five fields.
struct Field {
    name: &'static str,
    from: u8,
    to: u8,
    /// Names for the numbers from `from` on.
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", from: 0, to: 59, names: &[] },
    Field { name: "hour", from: 0, to: 23, names: &[] },
    Field { name: "day of the month", from: 1, to: 31, names: &[] },
    Field {
        name: "month",
        from: 1,
        to: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    // 0 and 7 are Sunday.
    Field { name: "day of the week", from: 0, to: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// The names for whole lines, as cron has them.
const NICKNAMES: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];
/// The longest month's days by month, as the 29th of February comes at last.
const DAYS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// Checks a line and brings it to its plain form: single spaces, nicknames in lower case, and the end of a span that is
/// given by its beginning and a step.
pub(super) fn check(text: &str) -> Result<String, Problem> {
    if text.starts_with('@') {
        let lower = text.trim_end().to_ascii_lowercase();
        if NICKNAMES.contains(&lower.as_str()) {
            return Ok(lower);
        }
        let problem = Problem::new(format!("unknown time \"{}\"", shown(text)));
        return Err(problem.expected(format!("one of {}", NICKNAMES.join(", "))).nearest(&lower, NICKNAMES));
    }
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    if parts.len() != FIELDS.len() {
        let message = format!("a time has five fields, and \"{}\" has {}", shown(text), parts.len());
        let expected = "minute, hour, day of the month, month and day of the week, such as \"0 2 * * *\"";
        return Err(Problem::new(message).expected(expected));
    }
    let mut values = Vec::with_capacity(FIELDS.len());
    for (field, part) in FIELDS.iter().zip(&parts) {
        values.push(field.values(part)?);
    }
    let (days, months) = (&values[2], &values[3]);
    let comes = months.iter().any(|month| days.iter().any(|day| *day <= DAYS[usize::from(*month) - 1]));
    // With a day of the week given as well, either of the two is enough.
    if !comes && parts[4].starts_with('*') {
        return Err(Problem::new(format!("\"{}\" never comes: no such month has such a day", shown(text))));
    }
    let plain: Vec<String> = FIELDS.iter().zip(&parts).map(|(field, part)| field.plain(part)).collect();
    Ok(plain.join(" "))
}

impl Field {
    /// The numbers that a field names.
    fn values(&self, text: &str) -> Result<Vec<u8>, Problem> {
        let mut values = Vec::new();
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (item, None),
            };
            let (from, to) = if range == "*" {
                (self.from, self.to)
            } else if let Some((from, to)) = range.split_once('-') {
                (self.value(from, text)?, self.value(to, text)?)
            } else {
                let value = self.value(range, text)?;
                (value, if step.is_some() { self.to } else { value })
            };
            if from > to {
                return Err(self.wrong(text, "its span runs backwards"));
            }
            let step = match step.map(str::parse::<u8>) {
                None => 1,
                Some(Ok(step)) if step > 0 => step,
                Some(_) => return Err(self.wrong(text, "its step is not a number above 0")),
            };
            values.extend((from..=to).step_by(usize::from(step)));
        }
        Ok(values)
    }

    /// The field with `5-59/10` for `5/10`.
    fn plain(&self, text: &str) -> String {
        let plain = |item: &str| match item.split_once('/') {
            Some((from, step)) if from != "*" && !from.contains('-') => format!("{from}-{}/{step}", self.to),
            _ => item.to_owned(),
        };
        text.split(',').map(plain).collect::<Vec<_>>().join(",")
    }

    fn value(&self, written: &str, text: &str) -> Result<u8, Problem> {
        let lower = written.to_ascii_lowercase();
        let named = self.names.iter().position(|name| *name == lower).and_then(|at| u8::try_from(at).ok());
        let number = || written.parse().ok().filter(|_| written.bytes().all(|b| b.is_ascii_digit()));
        named
            .map(|at| at + self.from)
            .or_else(number)
            .filter(|value| (self.from..=self.to).contains(value))
            .ok_or_else(|| self.wrong(text, &format!("\"{}\" is no {}", shown(written), self.name)))
    }

    fn wrong(&self, text: &str, reason: &str) -> Problem {
        let names = if self.names.is_empty() { String::new() } else { format!(", or {}", self.names.join(", ")) };
        Problem::new(format!("the {} \"{}\" cannot be read: {reason}", self.name, shown(text)))
            .expected(format!("*, or numbers from {} to {}{names}, with \",\", \"-\" and \"/\"", self.from, self.to))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::check;

    #[test]
    fn what_cron_reads_is_read() {
        for good in [
            "0 2 * * *",
            "*/5 0-6,22-23 1,15 jan-Mar MON-fri",
            "59 23 31 12 7",
            "0 0 29 2 *",
            "0 0 31 2 1",
            "5/10 * * * sun",
            "@daily",
            "@hourly",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        assert_eq!(check(" 0   2 * *\t* ").unwrap(), "0 2 * * *");
        assert_eq!(check("@Midnight").unwrap(), "@midnight");
        assert_eq!(check("5/10,7 * * * sun/2").unwrap(), "5-59/10,7 * * * sun-7/2");
    }

    #[test]
    fn what_it_does_not_is_refused() {
        for bad in [
            "",
            "* * * *",
            "0 0 0 * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "a * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "1,,2 * * * *",
            "+1 * * * *",
            "0 0 30 2 *",
            "0 0 31 4,6 *",
            "@reboot",
            "@dayly",
            "-1 * * * *",
            "1- * * * *",
            "* * * * L",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
