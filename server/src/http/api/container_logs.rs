//! What the containers of an environment write, as their runner reads it from its engine.

use std::time::Duration;

use axum::{Json, extract::State};
use chrono::{DateTime, SecondsFormat};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use slipway_runner::coordinator::{ContainerLine, LogQuestion, LogStream};

use super::lookup;
use crate::{
    access::{ApiRoutes, Permission},
    app::AppState,
    environments::{LogWish, RecentLog, recent_log},
    http::{
        errors::Problem,
        extract::{Asked, Named},
    },
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// How many lines are told where nothing is said.
pub(in crate::http) const LINES: u32 = 200;

pub(super) fn routes() -> ApiRoutes {
    // What an app writes may hold what is nobody else's to read; nothing masks it.
    ApiRoutes::about("Logs").get(
        "/api/v1/repositories/{owner}/{name}/environments/{environment}/containers/{container}/log",
        Permission::Deploy,
        "getContainerLog",
        "What a container of what is live wrote last, as its runner reads it from its engine.",
        show,
    )
}

/// Which lines are asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WantedLines {
    /// How many of the last ones.
    #[schemars(range(min = 1, max = 1000))]
    lines: Option<u32>,
    /// Only those after this moment, RFC 3339: that of the last line that is known, to read on from there.
    since: Option<Moment>,
}

impl WantedLines {
    /// How many lines; a refusal of more than one answer has.
    pub(in crate::http) fn lines(&self) -> Result<u32, Problem> {
        let lines = self.lines.unwrap_or(LINES);
        if (1..=LogQuestion::MOST_LINES).contains(&lines) {
            return Ok(lines);
        }
        Err(Problem::bad_request(format!("One answer has 1 to {} lines.", LogQuestion::MOST_LINES)))
    }

    /// After which moment, in unix nanoseconds.
    pub(in crate::http) fn since(&self) -> Option<i64> {
        self.since.map(|Moment(at)| at)
    }
}

/// Unix nanoseconds, written as `2026-11-20T09:30:00.000000000Z`: no two lines have to share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Moment(pub(in crate::http) i64);

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&DateTime::from_timestamp_nanos(self.0).to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "format": "date-time",
            "description": "A time in UTC with nanoseconds, such as `2026-11-20T09:30:00.000000000Z`.",
        })
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = DateTime::parse_from_rfc3339(&text).ok().and_then(|moment| moment.timestamp_nanos_opt());
        moment
            .map(Moment)
            .ok_or_else(|| serde::de::Error::custom(format!("{text} is no time such as 2026-11-20T09:30:00Z")))
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ContainerLog")]
struct LogView {
    /// The lines, oldest first.
    items: Vec<LineView>,
    /// Whether it had written more within the time asked for; only the newest are told.
    is_cut: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ContainerLine")]
struct LineView {
    /// When its engine was given it, by that engine's clock.
    time: Moment,
    /// `out` or `err`.
    stream: LogStream,
    text: String,
}

impl From<RecentLog> for LogView {
    fn from(log: RecentLog) -> Self {
        let line = |line: ContainerLine| LineView { time: Moment(line.at), stream: line.stream, text: line.text };
        LogView { items: log.lines.into_iter().map(line).collect(), is_cut: log.is_cut }
    }
}

async fn show(
    State(state): State<AppState>,
    Named((owner, name, environment, container)): Named<(String, String, String, String)>,
    Asked(wanted): Asked<WantedLines>,
) -> Result<Json<LogView>, Problem> {
    let environment = {
        let mut reader = state.store.read().await?;
        let repository = lookup::repository(&mut reader.conn(), &owner, &name).await?;
        lookup::environment(&mut reader.conn(), &repository, &environment).await?
    };
    let wish = LogWish { container, lines: wanted.lines()?, since: wanted.since() };
    Ok(Json(recent_log(&state.store, &environment, &wish, PATIENCE).await?.into()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
mod tests {
    use super::{LINES, Moment, WantedLines};

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        let at = Moment(1_795_339_800_000_000_009);
        let written = serde_json::to_string(&at).unwrap();
        assert_eq!(written, "\"2026-11-22T09:30:00.000000009Z\"");
        assert_eq!(serde_json::from_str::<Moment>(&written).unwrap(), at);
        assert_eq!(serde_json::from_str::<Moment>("\"2026-11-22T10:30:00+01:00\"").unwrap().0, at.0 - 9);
        serde_json::from_str::<Moment>("\"yesterday\"").unwrap_err();
    }

    #[test]
    fn nobody_asks_for_no_lines_or_too_many() {
        let lines = |lines| WantedLines { lines, since: None }.lines().ok();
        assert_eq!((lines(None), lines(Some(1_000))), (Some(LINES), Some(1_000)));
        assert_eq!((lines(Some(0)), lines(Some(1_001))), (None, None));
    }
}
