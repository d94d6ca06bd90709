//! Which of the things of one kind go: an inventory in, names with reasons out, nothing else.

use std::time::Duration;

/// One thing that is this runner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its name.
    pub(crate) name: String,
    /// What it takes on the disk, as far as that is known.
    pub(crate) bytes: u64,
    /// How long ago it was last used.
    pub(crate) unused: Duration,
    /// Whether a job uses it, or a release holds it.
    pub(crate) is_needed: bool,
}

/// The bounds of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How long a thing is kept unused.
    pub(crate) unused: Duration,
    /// How many bytes all of them may have together.
    pub(crate) bytes: u64,
    /// How many there may be.
    pub(crate) count: usize,
}

impl Bounds {
    /// The same without regard to age.
    pub(super) fn ageless(self) -> Self {
        Bounds { unused: Duration::MAX, ..self }
    }
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Going {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) reason: &'static str,
}

/// What goes, the longest unused first: all that was not used for long, and then so many of the rest that those that stay
/// fit. What is needed stays, whatever its size.
pub(crate) fn going(mut items: Vec<Item>, bounds: Bounds) -> Vec<Going> {
    items.sort_by(|a, b| b.unused.cmp(&a.unused).then_with(|| a.name.cmp(&b.name)));
    let mut left: u64 = items.iter().map(|item| item.bytes).fold(0, u64::saturating_add);
    let mut count = items.len();
    let mut going = Vec::new();
    for item in items.into_iter().filter(|item| !item.is_needed) {
        let reason = if item.unused >= bounds.unused {
            "not used for long"
        } else if left > bounds.bytes || count > bounds.count {
            "the least recently used of too many"
        } else {
            continue;
        };
        left = left.saturating_sub(item.bytes);
        count -= 1;
        going.push(Going { name: item.name, bytes: item.bytes, reason });
    }
    going
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn items() -> impl Strategy<Value = Vec<Item>> {
        vec((0..1_000_u64, 0..100_u64, any::<bool>()), 0..40).prop_map(|chances| {
            let numbered = chances.into_iter().enumerate();
            numbered
                .map(|(number, (bytes, unused, is_needed))| Item {
                    name: number.to_string(),
                    bytes,
                    unused: Duration::from_secs(unused),
                    is_needed,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_needed_stays_and_the_rest_fits(items in items(), unused in 1..100_u64, bytes in 0..20_000_u64, count in 0..40_usize) {
            let bounds = Bounds { unused: Duration::from_secs(unused), bytes, count };
            let gone = going(items.clone(), bounds);
            let names: BTreeSet<&String> = gone.iter().map(|going| &going.name).collect();
            prop_assert_eq!(names.len(), gone.len(), "each once");
            let (went, stayed): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| names.contains(&item.name));
            prop_assert!(went.iter().all(|item| !item.is_needed));
            let free: Vec<&&Item> = stayed.iter().filter(|item| !item.is_needed).collect();
            prop_assert!(free.iter().all(|item| item.unused < bounds.unused));
            let total: u64 = stayed.iter().map(|item| item.bytes).sum();
            prop_assert!(free.is_empty() || total <= bytes && stayed.len() <= count, "something more could have gone");
            for young in went.iter().filter(|item| item.unused < bounds.unused) {
                prop_assert!(free.iter().all(|item| item.unused <= young.unused), "the longest unused goes first");
            }
            let left: Vec<Item> = stayed.into_iter().cloned().collect();
            prop_assert_eq!(going(left, bounds), vec![], "what stays stays the next time");
        }
    }
}
