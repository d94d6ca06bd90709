//! From the rows to the gate: what is known of a release, and what its environment's gate says of it.

use std::collections::BTreeSet;

use slipway_pipelines::config::Source;

use super::{
    ReleaseKind,
    bake::breach_of,
    between,
    decision::approving,
    doubt::doubt,
    gate::{Facts, Rules, Stay, Verdict, author_counts, gate},
    life::life,
};
use crate::store::{self, Conn, StoreError, environments::Environment, releases::Release};

/// Who acts where no person does.
pub(super) const ACTOR: &str = "slipway";

/// What the environment asks for.
pub(super) fn rules(environment: &Environment) -> Rules<'_> {
    Rules {
        environment: &environment.name,
        settings: &environment.settings.0,
        protection: &environment.protection.0,
        freeze: environment.frozen.as_ref().map(|freeze| &freeze.0),
    }
}

/// What the environment's gate says of a release at `now`. A rollback is the way out: it waits for nothing. So is a restore,
/// which brings nothing new.
pub(super) async fn judge(
    conn: &mut Conn<'_>,
    environment: &Environment,
    release: &Release,
    now: i64,
) -> Result<Verdict, StoreError> {
    if release.kind.is_way_out() {
        return Ok(Verdict::Admit);
    }
    without_exception(conn, environment, release, now).await
}

/// What the gate would say if the release were no way out.
pub(super) async fn without_exception(
    conn: &mut Conn<'_>,
    environment: &Environment,
    release: &Release,
    now: i64,
) -> Result<Verdict, StoreError> {
    let facts = facts(conn, environment, release, now).await?;
    Ok(gate(rules(environment), &facts, now))
}

async fn facts(
    conn: &mut Conn<'_>,
    environment: &Environment,
    release: &Release,
    now: i64,
) -> Result<Facts, StoreError> {
    let decisions = store::decisions::of_release(conn, &release.id).await?;
    let own = release.content.iter().map(|app| app.build.unwrap_or(release.build_number));
    let mut branches = Vec::new();
    for number in own.chain([release.build_number]).collect::<BTreeSet<i64>>() {
        let build = store::builds::by_number(conn, &environment.repository_id, number).await?;
        branches.push(build.and_then(|build| build.branch().map(str::to_owned)));
    }
    let stay = stay(conn, release, now).await?;
    let from = match &stay {
        Some(stay) => Some(Source::Environment { environment: stay.environment.clone() }),
        None => branches.last().cloned().flatten().map(|branch| Source::Branch { branch }),
    };
    Ok(Facts {
        branches,
        from,
        approving: approving(&decisions),
        // Nobody is kept from agreeing where that does not matter.
        authors: if author_counts(rules(environment)) {
            Vec::new()
        } else {
            authors(conn, environment, release).await?
        },
        strategy: (!release.kind.is_way_out()).then(|| release.strategy.0.clone()),
        stay,
    })
}

/// Whose own a release is: who asked for it, and who wrote or pushed a commit of it that the environment does not run yet,
/// of whichever app.
pub(super) async fn authors(
    conn: &mut Conn<'_>,
    environment: &Environment,
    release: &Release,
) -> Result<Vec<String>, StoreError> {
    let live = store::releases::live(conn, &environment.id).await?;
    let mut pairs = BTreeSet::from([(live.as_ref().map(|live| live.build_number), release.build_number)]);
    for app in release.content.iter() {
        let held = live.as_ref().and_then(|live| Some((live, live.content.iter().find(|held| held.app == app.app)?)));
        let before = held.map(|(live, held)| held.build.unwrap_or(live.build_number));
        pairs.insert((before, app.build.unwrap_or(release.build_number)));
    }
    let mut people = BTreeSet::from([release.actor.clone()]);
    for (before, number) in pairs.into_iter().filter(|(before, number)| *before != Some(*number)) {
        let Some(build) = store::builds::by_number(conn, &environment.repository_id, number).await? else { continue };
        let before = match before {
            Some(before) => store::builds::by_number(conn, &environment.repository_id, before).await?,
            None => None,
        };
        people.extend(between::authors(conn, before.as_ref(), &build).await?);
    }
    Ok(people.into_iter().filter(|person| !person.is_empty() && person != ACTOR).collect())
}

/// How long what was promoted was live where it comes from.
async fn stay(conn: &mut Conn<'_>, release: &Release, now: i64) -> Result<Option<Stay>, StoreError> {
    let Some(source) = release.source_release_id.as_ref().filter(|_| release.kind == ReleaseKind::Promotion) else {
        return Ok(None);
    };
    let source = store::releases::find(conn, source).await?.ok_or_else(|| StoreError::missing("release", source))?;
    let environment = store::environments::find(conn, &source.environment_id).await?;
    let environment = environment.ok_or_else(|| StoreError::missing("environment", &source.environment_id))?;
    let life = life(conn, &source).await?;
    Ok(Some(Stay {
        doubt: doubt(conn, &environment, life.last(), now).await?,
        environment: environment.name,
        number: source.number,
        since: life.since(),
        until: life.until(),
        breach: breach_of(conn, &life).await?,
    }))
}
