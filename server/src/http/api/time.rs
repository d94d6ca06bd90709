//! Times in the API: RFC 3339 in UTC with milliseconds.

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

/// Unix milliseconds that are written as `2026-11-20T09:30:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) i64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "format": "date-time",
            "description": "A time in UTC with milliseconds, such as `2026-11-20T09:30:00.000Z`.",
        })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::Time;

    #[test]
    fn is_written_for_people_and_programs() {
        assert_eq!(serde_json::to_string(&Time(1_700_000_000_123)).unwrap(), "\"2023-11-14T22:13:20.123Z\"");
    }
}
