//! What was used before a release, beside which that is judged while it bakes: nothing of the other runs any more by then.

use std::collections::BTreeMap;

use slipway_pipelines::release::Resources;
use slipway_runner::coordinator::Usual;

use super::{ReleaseState, bake::is_breached};
use crate::{
    measurements::{AppFigures, SUM_MS},
    store::{
        self, Conn, StoreError,
        measurements::{Slice, between},
        releases::Release,
    },
};

/// How long before the release it is looked at, in milliseconds: a whole day, with its busy hours.
const LOOKED_AT_MS: i64 = 24 * 60 * 60 * 1_000;
/// How much of that day may lack at its beginning.
const MAY_LACK_MS: i64 = 60 * 60 * 1_000;
/// The releases of that day that are looked at.
const MOST_RELEASES: i64 = 100;

/// The most that one container of each app used in the day before, of whichever release. Nothing is known where less than
/// that day was measured: beside a quiet hour every busy one is too much. What was found wanting, or failed, is no measure.
pub(super) async fn usual(conn: &mut Conn<'_>, live: &Release) -> Result<BTreeMap<String, Usual>, StoreError> {
    let mut usual: BTreeMap<String, Usual> = BTreeMap::new();
    let Some(before) = store::releases::replaced_by(conn, live).await? else { return Ok(usual) };
    let until = live.started_at.unwrap_or(live.created_at);
    let since = until - LOOKED_AT_MS;
    // A sum that ends later has something of the release itself.
    let slice = Slice { span_ms: SUM_MS, since, until: until - SUM_MS, limit: LOOKED_AT_MS / SUM_MS };
    let rows = between::<Vec<AppFigures>>(conn, live.environment_id.as_str(), slice).await?;
    if rows.first().is_none_or(|first| first.at > since + MAY_LACK_MS) {
        return Ok(usual);
    }
    let wanting = wanting(conn, live, since).await?;
    let counts = |at: i64| !wanting.iter().any(|(from, to)| at + SUM_MS > *from && at < *to);
    for row in rows.iter().filter(|row| counts(row.at)) {
        // Every container uses some memory.
        for figures in row.figures.0.iter().filter(|figures| figures.memory > 0) {
            let of = |release: &Release| {
                let app = release.content.iter().find(|app| app.app == figures.app)?;
                Some((app.run.resources, app.run.replicas))
            };
            let (Some((had, _)), Some((_, replicas))) = (of(&before), of(live)) else { continue };
            let used = of_one(figures, &had, replicas);
            let known = usual.entry(figures.app.clone()).or_default();
            *known = Usual { cpu: known.cpu.max(used.cpu), memory: known.memory.max(used.memory) };
        }
    }
    Ok(usual)
}

/// When there were releases that failed or were found wanting: from their beginning to their end, in unix milliseconds.
async fn wanting(conn: &mut Conn<'_>, live: &Release, since: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut spans = Vec::new();
    let earlier = store::releases::list(conn, &live.environment_id, Some(live.number), MOST_RELEASES).await?;
    for release in earlier {
        let Some(began) = release.started_at else { continue };
        let end = release.retired_at.or(release.finished_at).unwrap_or(i64::MAX);
        if end < since {
            continue;
        }
        if release.state == ReleaseState::Failed || is_breached(conn, &release).await? {
            spans.push((began, end));
        }
    }
    Ok(spans)
}

/// The most that one of the containers used: of its limit, or, where it has none, what all of them did. Where there are fewer of
/// them now, each has more to do.
#[expect(clippy::cast_precision_loss, reason = "no machine has so many bytes that one more matters")]
fn of_one(figures: &AppFigures, had: &Resources, replicas: u32) -> Usual {
    let share = |share: f64, limit: f64| share / 100.0 * limit;
    let fewer = f64::from(figures.wanted.max(1)) / f64::from(replicas.max(1));
    Usual {
        cpu: had.cpus.map_or(figures.cpu_max, |cpus| share(figures.cpu_share, cpus) * fewer.max(1.0)),
        memory: had.memory.map_or(figures.memory_max as f64, |bytes| share(figures.memory_share, bytes as f64)),
    }
}

#[cfg(test)]
mod tests {
    use super::{AppFigures, Resources, of_one};

    #[test]
    fn the_one_that_works_most_is_the_measure() {
        let mut figures = AppFigures::of("web", 4, 4, &[]);
        (figures.cpu_max, figures.cpu_share) = (2.5, 50.0);
        (figures.memory_max, figures.memory_share) = (400, 25.0);
        let limited = Resources { cpus: Some(2.0), memory: Some(1_000), ..Resources::default() };
        let used =
            |had: &Resources, replicas| (of_one(&figures, had, replicas).cpu, of_one(&figures, had, replicas).memory);
        assert_eq!(used(&limited, 4), (1.0, 250.0));
        assert_eq!(used(&limited, 2), (2.0, 250.0), "fewer have more to do");
        assert_eq!(used(&limited, 8), (1.0, 250.0));
        assert_eq!(used(&Resources::default(), 4), (2.5, 400.0), "without a limit it is told of all together");
    }
}
