//! Why the last delivery to a hook was refused. Nothing of one is stored before its signature held, so it is remembered here
//! alone, by this process, for whoever sets the hook up.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::ids::RepositoryId;

/// How many repositories are remembered; beyond that, all are forgotten.
const MOST: usize = 1_000;

/// A delivery that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When it came, in unix milliseconds.
    pub at: i64,
    /// The status that it was answered with.
    pub status: u16,
    /// What it was told, in a sentence.
    pub reason: String,
}

/// The last refusal of each hook.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<HashMap<Option<RepositoryId>, Refusal>>);

impl Refusals {
    /// Remembers a refusal. One to a hook that does not exist is remembered under no repository, so that it costs the same.
    pub fn note(&self, repository: Option<RepositoryId>, refusal: Refusal) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(&repository) {
            all.clear();
        }
        all.insert(repository, refusal);
    }

    /// The last refusal of a repository's hook, as far as this process knows.
    #[must_use]
    pub fn of(&self, repository: &RepositoryId) -> Option<Refusal> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&Some(repository.clone())).cloned()
    }
}
