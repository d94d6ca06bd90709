//! The register of routes: a route cannot be added without saying what it needs.

use std::collections::BTreeMap;

use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{MethodFilter, on},
};

use super::{Operation, Permission, Subject};
use crate::app::AppState;

/// Routes with what each of them needs. What is not registered here is not served.
#[derive(Debug, Default)]
pub struct Routes {
    router: Router<AppState>,
    permissions: Permissions,
    operations: Vec<Operation>,
}

/// What each route needs, by its path as registered and its method.
#[derive(Debug, Default, Clone)]
pub struct Permissions(BTreeMap<(&'static str, Verb), Permission>);

/// The methods that Slipway's routes use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Also answers HEAD.
    Get,
    /// Something happens.
    Post,
    /// Something is as the body says from now on.
    Put,
    /// Something is gone.
    Delete,
}

impl Verb {
    /// The verb of a request's method, if Slipway has routes for it.
    #[must_use]
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD => Some(Verb::Get),
            Method::POST => Some(Verb::Post),
            Method::PUT => Some(Verb::Put),
            Method::DELETE => Some(Verb::Delete),
            _ => None,
        }
    }

    /// The method to send.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Delete => MethodFilter::DELETE,
        }
    }
}

impl Routes {
    /// No routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a GET (and HEAD) route.
    #[must_use]
    pub fn get<H, T>(self, path: &'static str, needs: Permission, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(Verb::Get, path, needs, handler)
    }

    /// Adds a POST route.
    #[must_use]
    pub fn post<H, T>(self, path: &'static str, needs: Permission, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(Verb::Post, path, needs, handler)
    }

    /// Adds a PUT route.
    #[must_use]
    pub fn put<H, T>(self, path: &'static str, needs: Permission, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(Verb::Put, path, needs, handler)
    }

    /// Adds a DELETE route.
    #[must_use]
    pub fn delete<H, T>(self, path: &'static str, needs: Permission, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.add(Verb::Delete, path, needs, handler)
    }

    /// Adds the routes of another register.
    #[must_use]
    pub fn merge(mut self, other: impl Into<Routes>) -> Self {
        let other = other.into();
        self.router = self.router.merge(other.router);
        self.permissions.0.extend(other.permissions.0);
        self.operations.extend(other.operations);
        self
    }

    /// What the API's document tells of the routes.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(super) fn told(mut self, operation: Operation) -> Self {
        self.operations.push(operation);
        self
    }

    /// The router, and what its routes need, for the layer that asks.
    pub fn into_parts(self) -> (Router<AppState>, Permissions) {
        (self.router, self.permissions)
    }

    fn add<H, T>(mut self, verb: Verb, path: &'static str, needs: Permission, handler: H) -> Self
    where
        H: Handler<T, AppState>,
        T: 'static,
    {
        self.router = self.router.route(path, on(verb.filter(), handler));
        self.permissions.0.insert((path, verb), needs);
        self
    }
}

impl Permissions {
    /// What a request to the route `path` needs. A method that the route does not have needs the most.
    #[must_use]
    pub fn needed(&self, path: &str, method: &Method) -> Permission {
        Verb::of(method)
            .and_then(|verb| self.0.iter().find(|((known, at), _)| *known == path && *at == verb))
            .map_or(Permission::Administer, |(_, needs)| *needs)
    }

    /// What a request to the route `path` is about; none of a method that the route does not have.
    #[must_use]
    pub fn subject(&self, path: &str, method: &Method) -> Option<Subject> {
        Subject::of(Verb::of(method)?, path)
    }

    /// Whether the route changes something for people, or for programs that people sent.
    #[must_use]
    pub fn is_for_changes(&self, path: &str, method: &Method) -> bool {
        let is_own = self.subject(path, method) == Some(Subject::Own) && Verb::of(method) != Some(Verb::Get);
        is_own || self.needed(path, method).is_for_changes()
    }

    /// Every route with its method and what it needs.
    pub fn iter(&self) -> impl Iterator<Item = (Verb, &'static str, Permission)> + '_ {
        self.0.iter().map(|((path, verb), needs)| (*verb, *path, *needs))
    }
}
