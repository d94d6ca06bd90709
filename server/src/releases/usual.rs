//! What the release before one used, beside which that is judged while it bakes: nothing of the other runs any more by then.

use std::collections::BTreeMap;

use slipway_runner::coordinator::Usual;

use super::bake::is_breached;
use crate::{
    measurements::{AppFigures, SUM_MS},
    store::{
        self, Conn, StoreError,
        measurements::{Slice, between},
        releases::Release,
    },
};

/// How long before its end it is looked at, in milliseconds: a whole day, with its busy hours.
const LOOKED_AT_MS: i64 = 24 * 60 * 60 * 1_000;

/// What one container of each app used of what was live before, in its busiest minutes. Nothing is known of what was not
/// measured, and what was found wanting itself is no measure.
pub(super) async fn usual(conn: &mut Conn<'_>, live: &Release) -> Result<BTreeMap<String, Usual>, StoreError> {
    let mut usual: BTreeMap<String, Usual> = BTreeMap::new();
    let Some(before) = store::releases::replaced_by(conn, live).await? else { return Ok(usual) };
    if is_breached(conn, &before).await? {
        return Ok(usual);
    }
    let until = live.started_at.unwrap_or(live.created_at);
    let since = before.finished_at.unwrap_or(before.created_at).max(until - LOOKED_AT_MS);
    // A sum that ends later has something of the release itself.
    let slice = Slice { span_ms: SUM_MS, since, until: until - SUM_MS, limit: LOOKED_AT_MS / SUM_MS };
    for row in between::<Vec<AppFigures>>(conn, live.environment_id.as_str(), slice).await? {
        // Every container uses some memory.
        for figures in row.figures.0.iter().filter(|figures| figures.memory > 0) {
            let Some(app) = live.content.iter().find(|app| app.app == figures.app) else { continue };
            let used = of_one(figures, app.run.replicas);
            let known = usual.entry(app.app.clone()).or_default();
            *known = Usual { cpu: known.cpu.max(used.cpu), memory: known.memory.max(used.memory) };
        }
    }
    Ok(usual)
}

/// What one of the containers used. Where there are fewer of them now, each has more to do.
#[expect(clippy::cast_precision_loss, reason = "no machine has so many bytes that one more matters")]
fn of_one(figures: &AppFigures, replicas: u32) -> Usual {
    let ran = figures.healthy.clamp(1, figures.wanted.max(1));
    Usual { cpu: figures.cpu / f64::from(ran.min(replicas.max(1))), memory: figures.memory as f64 / f64::from(ran) }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these divisions are exact")]
mod tests {
    use super::{AppFigures, of_one};

    #[test]
    fn fewer_containers_have_more_to_do() {
        let mut figures = AppFigures::of("web", 4, 4, &[]);
        (figures.cpu, figures.memory) = (2.0, 400);
        let used = |replicas| (of_one(&figures, replicas).cpu, of_one(&figures, replicas).memory);
        assert_eq!([used(4), used(2), used(8)], [(0.5, 100.0), (1.0, 100.0), (0.5, 100.0)]);
        figures.healthy = 0;
        assert_eq!(of_one(&figures, 4).cpu, 2.0, "who was well is who was measured");
    }
}
