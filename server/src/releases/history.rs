//! The way back: what was live in an environment before what is live now, without what was left by going back.

use std::collections::HashMap;

use super::ReleaseKind;
use crate::{
    ids::{EnvironmentId, ReleaseId},
    store::{self, Conn, StoreError, releases::Passage},
};

/// How many of an environment's releases are looked at, the newest: nobody goes back further by going back one by one.
const MOST_PASSAGES: i64 = 1_000;

/// The numbers of the releases that an environment goes back to, one after the other: first what is live, as the release
/// whose content it first was, then what was live before that, and so on.
pub(super) async fn way_back(conn: &mut Conn<'_>, environment: &EnvironmentId) -> Result<Vec<i64>, StoreError> {
    let mut passages = store::releases::passages(conn, environment, MOST_PASSAGES).await?;
    passages.reverse();
    let mut way = walked(&passages);
    way.reverse();
    Ok(way)
}

/// The releases that lead to the last of these, which were live one after the other. Going back leaves all that came after
/// what is gone back to; going to something that was left puts it at the end again; and a restore leads nowhere.
fn walked(passages: &[Passage]) -> Vec<i64> {
    let mut origins: HashMap<&ReleaseId, i64> = HashMap::new();
    let mut way: Vec<i64> = Vec::new();
    for passage in passages {
        let source = passage.source_release_id.as_ref().filter(|_| passage.kind.is_way_out());
        let origin = source.and_then(|source| origins.get(source)).copied().unwrap_or(passage.number);
        origins.insert(&passage.id, origin);
        if passage.kind == ReleaseKind::Restore && way.last() == Some(&origin) {
            continue;
        }
        if let Some(place) = way.iter().position(|number| *number == origin) {
            way.truncate(place);
        }
        way.push(origin);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was live, in order: `b` for a build, and for a way out the number that it is of.
    fn history(told: &[(ReleaseKind, usize)]) -> Vec<i64> {
        let ids: Vec<ReleaseId> = told.iter().map(|_| ReleaseId::new()).collect();
        let of = |(index, (kind, source)): (usize, &(ReleaseKind, usize))| Passage {
            id: ids[index].clone(),
            number: i64::try_from(index + 1).unwrap_or(0),
            kind: *kind,
            source_release_id: source.checked_sub(1).map(|source| ids[source].clone()),
        };
        let passages: Vec<Passage> = told.iter().enumerate().map(of).collect();
        walked(&passages)
    }

    /// What was live one after the other, each with the place of what it was made from, and the way to the last of it.
    type Case = (&'static [(ReleaseKind, usize)], &'static [i64]);

    #[test]
    fn what_was_left_is_not_on_the_way() {
        use ReleaseKind::{Build, Restore, Rollback};
        let table: &[Case] = &[
            (&[], &[]),
            (&[(Build, 0), (Build, 0)], &[1, 2]),
            (&[(Build, 0), (Build, 0), (Rollback, 1)], &[1]),
            // #2 was thrown out: what was live just before #4 is #1.
            (&[(Build, 0), (Build, 0), (Rollback, 1), (Build, 0)], &[1, 4]),
            (&[(Build, 0), (Build, 0), (Rollback, 1), (Build, 0), (Rollback, 3)], &[1]),
            // Making anew changes nothing of it.
            (&[(Build, 0), (Build, 0), (Rollback, 1), (Restore, 3)], &[1]),
            (&[(Build, 0), (Build, 0), (Restore, 2), (Build, 0)], &[1, 2, 4]),
            (&[(Build, 0), (Build, 0), (Rollback, 1), (Restore, 3), (Build, 0), (Rollback, 4)], &[1]),
            // Back two, and forward again to what was left.
            (&[(Build, 0), (Build, 0), (Build, 0), (Rollback, 2), (Rollback, 1), (Rollback, 3)], &[1, 3]),
            // What is of a release that is not known any more stands for itself.
            (&[(Rollback, 0), (Build, 0)], &[1, 2]),
        ];
        for (told, way) in table {
            assert_eq!(history(told), *way, "{told:?}");
        }
    }
}
