//! From a route's path to what the request is about.

use axum::{
    extract::{FromRequestParts as _, RawPathParams},
    http::request::Parts,
};

use super::{Scope, Subject};
use crate::{
    http::errors::Problem,
    store::{Store, StoreError, belonging},
};

/// What a request is about, as far as that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// This, which the path names; whether it is there is the handler's to say.
    Scope(Scope),
    /// Nothing that is there: a delivery or the like whose id nothing has.
    Nothing,
}

/// The names in the path of a request.
#[derive(Debug)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// The names in the path of the request.
    ///
    /// # Errors
    /// 404 when they are no text: nothing is called so.
    pub(super) async fn of(parts: &mut Parts) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, &()).await;
        let params = params.map_err(|_| Problem::not_found("There is nothing at this address."))?;
        Ok(Names(params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn repository(&self) -> String {
        format!("{}/{}", self.get("owner"), self.get("name"))
    }

    /// What is told to whoever does not see what the path names: the same as where it is not there.
    pub(super) fn missing(&self, subject: Subject) -> Problem {
        match subject {
            Subject::Repository | Subject::Environment => {
                StoreError::missing("repository", self.repository().as_str()).into()
            }
            Subject::Delivery => StoreError::missing("delivery", self.get("id")).into(),
            Subject::Alert => StoreError::missing("alert", self.get("id")).into(),
            Subject::Step => Problem::not_found("There is no such step."),
            Subject::Server | Subject::Seen | Subject::Own => Problem::not_found("There is nothing at this address."),
        }
    }
}

/// What a request to a route with this subject is about.
///
/// # Errors
/// When the database fails.
pub(super) async fn about(store: &Store, subject: Subject, names: &Names) -> Result<About, StoreError> {
    let id = names.get("id");
    let repository = match subject {
        Subject::Server | Subject::Seen | Subject::Own => return Ok(About::Scope(Scope::Server)),
        Subject::Repository => Some(names.repository()),
        Subject::Environment => {
            let environment = names.get("environment").to_owned();
            return Ok(About::Scope(Scope::Environment { repository: names.repository(), environment }));
        }
        Subject::Delivery => belonging::of_delivery(&mut store.read().await?.conn(), id).await?,
        Subject::Alert => match belonging::of_alert(&mut store.read().await?.conn(), id).await? {
            Some(None) => return Ok(About::Scope(Scope::Server)),
            found => found.flatten(),
        },
        Subject::Step => belonging::of_step(&mut store.read().await?.conn(), names.get("step")).await?,
    };
    Ok(repository.map_or(About::Nothing, |repository| About::Scope(Scope::Repository(repository))))
}
