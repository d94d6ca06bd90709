//! What must hold of any choice, over histories made by chance.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use proptest::{collection::vec, prelude::*};

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1_000;
const NOW: i64 = 1_000 * DAY;

/// A release as chance has it: environment, kind, state, age in days, build, which earlier one it was made from.
type Chance = (usize, usize, usize, i64, usize, Option<prop::sample::Index>);

fn history(chances: Vec<Chance>) -> Vec<ReleaseFacts> {
    let environments: Vec<EnvironmentId> = (0..3).map(|_| EnvironmentId::new()).collect();
    let builds: Vec<BuildId> = (0..20).map(|_| BuildId::new()).collect();
    let mut all: Vec<ReleaseFacts> = Vec::new();
    for (number, (environment, kind, state, age, build, source)) in (1..).zip(chances) {
        let source = source.filter(|_| !all.is_empty()).map(|index| all[index.index(all.len())].id.clone());
        all.push(ReleaseFacts {
            id: ReleaseId::new(),
            environment: environments[environment].clone(),
            number,
            kind: ReleaseKind::ALL[kind],
            state: ReleaseState::ALL[state],
            source,
            build: builds[build].clone(),
            holds: BTreeSet::from([i64::try_from(build).unwrap()]),
            created_at: NOW - age * DAY,
        });
    }
    all
}

fn histories() -> impl Strategy<Value = Vec<ReleaseFacts>> {
    let chance = (
        0..3_usize,
        0..ReleaseKind::ALL.len(),
        0..6_usize,
        0..200_i64,
        0..20_usize,
        any::<Option<prop::sample::Index>>(),
    );
    vec(chance, 0..60).prop_map(history)
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..8_u32, 0..150_u32, 1..8_u32, 0..150_u32).prop_map(|(builds_keep, builds_days, releases_keep, releases_days)| {
        Limits { builds_keep, builds_days, releases_keep, releases_days, ..Limits::default() }
    })
}

proptest! {
    #[test]
    fn no_release_that_is_needed_goes(all in histories(), limits in limits()) {
        let stay = releases_that_stay(&all, &limits, NOW);
        for release in &all {
            let stays = stay.contains(&release.id);
            let young = limits.releases_days == 0 || release.created_at >= NOW - i64::from(limits.releases_days) * DAY;
            prop_assert!(stays || !(young || release.is_under_way()), "{release:?}");
            if let Some(source) = release.source.as_ref().filter(|_| stays) {
                prop_assert!(stay.contains(source), "what {release:?} was made from");
            }
            let newer = all.iter().filter(|other| {
                other.environment == release.environment && other.number > release.number && other.is_offered()
            });
            let is_among_newest = newer.count() < usize::try_from(limits.releases_keep).unwrap();
            if release.state == ReleaseState::Retired && is_among_newest {
                prop_assert!(stays, "a rollback offers {release:?}");
            }
        }
    }

    #[test]
    fn what_stays_stays_the_next_time(all in histories(), limits in limits()) {
        let stay = releases_that_stay(&all, &limits, NOW);
        let left: Vec<ReleaseFacts> = all.into_iter().filter(|release| stay.contains(&release.id)).collect();
        prop_assert_eq!(releases_that_stay(&left, &limits, NOW), stay);
    }

    #[test]
    fn old_releases_are_few(all in histories(), limits in limits()) {
        let stay = releases_that_stay(&all, &limits, NOW);
        let sources: BTreeSet<&ReleaseId> =
            all.iter().filter(|release| stay.contains(&release.id)).filter_map(|release| release.source.as_ref()).collect();
        let before = NOW - i64::from(limits.releases_days) * DAY;
        for environment in all.iter().map(|release| &release.environment).collect::<BTreeSet<_>>() {
            let offered = all.iter().filter(|release| {
                &release.environment == environment
                    && stay.contains(&release.id)
                    && release.state == ReleaseState::Retired
                    && !release.kind.is_way_out()
                    && release.created_at < before
                    && !sources.contains(&release.id)
            });
            let most = usize::try_from(limits.releases_keep).unwrap() + 1;
            prop_assert!(limits.releases_days == 0 || offered.count() <= most);
        }
    }

    #[test]
    fn a_build_that_is_needed_never_goes(
        (number, state, age) in (0..20_i64, 0..5_usize, 0..200_i64),
        (newer, success, newest, deleted) in (0..10_i64, any::<bool>(), any::<bool>(), any::<Option<u8>>()),
        releases in histories(),
        limits in limits(),
    ) {
        let held = Held::by(releases.iter());
        let build = BuildFacts {
            id: releases.first().map_or_else(BuildId::new, |release| release.build.clone()),
            number,
            state: BuildState::ALL[state],
            created_at: NOW - age * DAY,
            newer,
            is_newest_success: success,
            has_newest_of_an_app: newest,
            ref_deleted_at: deleted.map(|days| NOW - i64::from(days) * DAY),
        };
        let before = NOW - i64::from(limits.builds_days) * DAY;
        let is_held = held.builds.contains(&build.id) || held.numbers.contains(&number);
        let is_young = limits.builds_days == 0 || build.created_at >= before;
        let ref_lives = build.ref_deleted_at.is_none_or(|at| at >= before);
        let is_needed = newer < i64::from(limits.builds_keep) || success || newest;
        let goes = build_goes(&build, &held, &limits, NOW);
        let must_stay = is_held || is_young || !build.state.is_final() || (ref_lives && is_needed);
        prop_assert_eq!(goes, !must_stay);
    }
}
