//! What happened, in order, and the bells that tell followers to look.

mod bells;

pub use bells::Bells;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::ids::{BuildId, EnvironmentId, ReleaseId, RepositoryId, StepId};

/// Something that a transaction makes happen.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    pub(crate) kind: String,
    pub(crate) repository: Option<RepositoryId>,
    pub(crate) build: Option<BuildId>,
    pub(crate) step: Option<StepId>,
    pub(crate) environment: Option<EnvironmentId>,
    pub(crate) release: Option<ReleaseId>,
    pub(crate) data: Map<String, Value>,
}

impl NewEvent {
    /// An event of a kind, such as `build.started`, about nothing yet.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        NewEvent {
            kind: kind.into(),
            repository: None,
            build: None,
            step: None,
            environment: None,
            release: None,
            data: Map::new(),
        }
    }

    /// About this repository.
    #[must_use]
    pub fn repository(mut self, id: &RepositoryId) -> Self {
        self.repository = Some(id.clone());
        self
    }

    /// About this build.
    #[must_use]
    pub fn build(mut self, id: &BuildId) -> Self {
        self.build = Some(id.clone());
        self
    }

    /// About this step.
    #[must_use]
    pub fn step(mut self, id: &StepId) -> Self {
        self.step = Some(id.clone());
        self
    }

    /// About this environment.
    #[must_use]
    pub fn environment(mut self, id: &EnvironmentId) -> Self {
        self.environment = Some(id.clone());
        self
    }

    /// About this release.
    #[must_use]
    pub fn release(mut self, id: &ReleaseId) -> Self {
        self.release = Some(id.clone());
        self
    }

    /// With a fact. A value that JSON cannot hold is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value)
            && !value.is_null()
        {
            self.data.insert(name.to_owned(), value);
        }
        self
    }
}
