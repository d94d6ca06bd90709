//! What a runner keeps between jobs, and what of it goes, where a person asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Asks a runner to look at what it keeps, and to remove at once what its limits keep no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionOrder {
    /// Names the order in its report.
    pub id: String,
    /// Whether nothing is removed.
    pub dry_run: bool,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionReport {
    /// The runner that reports.
    pub runner: String,
    /// The order's id.
    pub order: String,
    /// What the runner keeps, one entry for each kind.
    pub stored: Vec<Stored>,
}

/// Things of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stored {
    /// The kind in words, such as `mirror`.
    pub what: String,
    /// How many there were when the runner looked.
    pub count: u64,
    /// What they took on the disk, in bytes, as far as that is known.
    pub bytes: u64,
    /// Those of them that went, or in a dry run would go; at most [`Stored::MOST_NAMED`].
    pub going: Vec<Leaving>,
    /// How many more than are named.
    #[serde(default)]
    pub unnamed: u64,
    /// What all of those took, in bytes.
    #[serde(default)]
    pub going_bytes: u64,
    /// Why the runner could not look at this kind, in words, such as that its engine is away.
    #[serde(default)]
    pub hindrance: Option<String>,
    /// Why nothing goes for its age now, in words, such as that the clock was set.
    #[serde(default)]
    pub paused: Option<String>,
}

/// Something that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leaving {
    /// Its name, as the runner knows it.
    pub name: String,
    /// What it takes on the disk, in bytes, as far as that is known.
    pub bytes: u64,
    /// Why it goes.
    pub reason: String,
}

impl Stored {
    /// How many things of a kind are named.
    pub const MOST_NAMED: usize = 100;

    /// Notes that something goes.
    pub fn note(&mut self, leaving: Leaving) {
        self.going_bytes = self.going_bytes.saturating_add(leaving.bytes);
        if self.going.len() < Self::MOST_NAMED {
            self.going.push(leaving);
        } else {
            self.unnamed += 1;
        }
    }
}
