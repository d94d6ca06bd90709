//! The register of the API's routes: a route cannot be added without its document's words, and its document is made of
//! what its handler takes and gives.

use aide::{
    generate::GenContext,
    openapi,
    operation::{OperationHandler, OperationInput, OperationOutput},
};
use axum::{extract::DefaultBodyLimit, handler::Handler};

use super::{Permission, Routes, Verb};
use crate::app::AppState;

/// What a handler gives, by status; none for what it is not known of.
pub type Answers = Vec<(Option<u16>, openapi::Response)>;

/// One route of the API, as its document tells it.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// The method.
    pub verb: Verb,
    /// The path as registered.
    pub path: &'static str,
    /// What it needs.
    pub needs: Permission,
    /// What it is about.
    pub tag: &'static str,
    /// Its name for programs.
    pub id: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Tells what the handler takes.
    pub input: fn(&mut GenContext, &mut openapi::Operation),
    /// Tells what the handler gives, by status.
    pub output: fn(&mut GenContext, &mut openapi::Operation) -> Answers,
}

/// Routes of the API about one thing.
#[derive(Debug)]
pub struct ApiRoutes {
    tag: &'static str,
    routes: Routes,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $name:ident: $verb:ident;)+) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name<H, T, I, O>(
            self,
            path: &'static str,
            needs: Permission,
            id: &'static str,
            summary: &'static str,
            handler: H,
        ) -> Self
        where
            H: Handler<T, AppState> + OperationHandler<I, O>,
            T: 'static,
            I: OperationInput,
            O: OperationOutput,
        {
            let operation = self.operation::<I, O>(Verb::$verb, path, needs, id, summary);
            ApiRoutes { routes: self.routes.$name(path, needs, handler).told(operation), ..self }
        })+
    };
}

impl ApiRoutes {
    /// No routes yet; `tag` says what they are about.
    #[must_use]
    pub fn about(tag: &'static str) -> Self {
        ApiRoutes { tag, routes: Routes::new() }
    }

    verbs! {
        /// Adds a GET (and HEAD) route.
        get: Get;
        /// Adds a POST route.
        post: Post;
        /// Adds a PUT route.
        put: Put;
        /// Adds a DELETE route.
        delete: Delete;
    }

    /// Adds a PUT route whose body may have so many bytes.
    #[must_use]
    pub fn put_large<H, T, I, O>(
        self,
        (path, largest): (&'static str, usize),
        needs: Permission,
        id: &'static str,
        summary: &'static str,
        handler: H,
    ) -> Self
    where
        H: Handler<T, AppState> + OperationHandler<I, O>,
        T: 'static,
        I: OperationInput,
        O: OperationOutput,
    {
        let operation = self.operation::<I, O>(Verb::Put, path, needs, id, summary);
        let handler = handler.layer(DefaultBodyLimit::max(largest));
        ApiRoutes { routes: self.routes.put(path, needs, handler).told(operation), ..self }
    }

    fn operation<I: OperationInput, O: OperationOutput>(
        &self,
        verb: Verb,
        path: &'static str,
        needs: Permission,
        id: &'static str,
        summary: &'static str,
    ) -> Operation {
        let (input, output) = (I::operation_input, O::inferred_responses);
        Operation { verb, path, needs, tag: self.tag, id, summary, input, output }
    }
}

impl From<ApiRoutes> for Routes {
    fn from(api: ApiRoutes) -> Self {
        api.routes
    }
}
