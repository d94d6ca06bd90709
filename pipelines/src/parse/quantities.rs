//! Durations and sizes as people write them.

use crate::diagnostics::Problem;

/// The longest duration, in milliseconds: a day.
const MAX_DURATION_MS: u64 = 24 * 60 * 60 * 1000;
/// The least memory that the Docker engine gives a container, in bytes.
const MIN_MEMORY: u64 = 6 * 1024 * 1024;
/// More memory than any machine has, in bytes.
const MAX_MEMORY: u64 = 64 * 1024 * 1024 * 1024 * 1024;

/// A duration such as `500ms`, `2s`, `5m` or `1h`, in milliseconds; at most a day.
pub(crate) fn duration(text: &str) -> Result<u64, Problem> {
    bounded(text, MAX_DURATION_MS, "a duration such as 500ms, 2s, 5m or 1h, at most 24h")
}

/// A duration that may be of several days, such as `7d`, in milliseconds; at most thirty.
pub(crate) fn long_duration(text: &str) -> Result<u64, Problem> {
    bounded(text, 30 * MAX_DURATION_MS, "a duration such as 5m, 1h or 7d, at most 30d")
}

fn bounded(text: &str, longest: u64, expected: &str) -> Result<u64, Problem> {
    let wrong = || Problem::new(format!("\"{}\" is not a duration", super::fields::shown(text))).expected(expected);
    let (digits, unit) = split(text).ok_or_else(wrong)?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => MAX_DURATION_MS,
        _ => return Err(wrong()),
    };
    let milliseconds = digits.checked_mul(factor).ok_or_else(wrong)?;
    if milliseconds > longest { Err(wrong()) } else { Ok(milliseconds) }
}

/// A size of a container's memory such as `256M`, in bytes.
pub(crate) fn memory(text: &str) -> Result<u64, Problem> {
    let expected = "a size such as 64M or 1G, at least 6M";
    let wrong =
        || Problem::new(format!("\"{}\" is not a size of memory", super::fields::shown(text))).expected(expected);
    bytes(text).ok().filter(|bytes| *bytes >= MIN_MEMORY).ok_or_else(wrong)
}

/// A size such as `64m`, in bytes; the units are powers of 1024, as the docker command has them.
pub(crate) fn bytes(text: &str) -> Result<u64, Problem> {
    let wrong = || {
        Problem::new(format!("\"{}\" is not a size", super::fields::shown(text))).expected("a size such as 64M or 1G")
    };
    let (digits, unit) = split(text).ok_or_else(wrong)?;
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" | "ki" => 1 << 10,
        "m" | "mb" | "mib" | "mi" => 1 << 20,
        "g" | "gb" | "gib" | "gi" => 1 << 30,
        "t" | "tb" | "tib" | "ti" => 1 << 40,
        _ => return Err(wrong()),
    };
    digits.checked_mul(factor).filter(|bytes| (1..=MAX_MEMORY).contains(bytes)).ok_or_else(wrong)
}

/// A whole number and what follows it.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    Some((digits.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(["500ms", "2s", "5m", "24h"].map(duration), [Ok(500), Ok(2_000), Ok(300_000), Ok(86_400_000)]);
        assert_eq!(["256M", "1g", "6291456"].map(memory), [Ok(256 << 20), Ok(1 << 30), Ok(6 << 20)]);
        for text in ["", "5", "s", "-1s", "1.5s", "25h", "99999999999999999999s", "2d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "M", "1M", "1P", "99999999999G"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }
}
