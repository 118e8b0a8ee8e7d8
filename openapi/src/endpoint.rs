//! A path with its handlers and their description.

use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodRouter;

use crate::operation::Operation;

/// One path. Handlers come in with their description only.
#[derive(Debug)]
pub struct Endpoint<S> {
    path: &'static str,
    methods: MethodRouter<S>,
    operations: Vec<(&'static str, Operation)>,
}

/// An endpoint without its handlers.
#[derive(Clone, Debug)]
pub struct Described {
    pub(crate) path: &'static str,
    /// By the name of the method in lower case.
    pub(crate) operations: Vec<(&'static str, Operation)>,
}

impl<S: Clone + Send + Sync + 'static> Endpoint<S> {
    /// A path without a method yet.
    pub fn at(path: &'static str) -> Self {
        Endpoint {
            path,
            methods: MethodRouter::new(),
            operations: Vec::new(),
        }
    }

    /// GET is answered by `handler`.
    #[must_use]
    pub fn get<H: Handler<T, S>, T: 'static>(mut self, handler: H, operation: Operation) -> Self {
        self.methods = self.methods.get(handler);
        self.operations.push(("get", operation));
        self
    }

    /// POST is answered by `handler`.
    #[must_use]
    pub fn post<H: Handler<T, S>, T: 'static>(mut self, handler: H, operation: Operation) -> Self {
        self.methods = self.methods.post(handler);
        self.operations.push(("post", operation));
        self
    }

    /// Only the description.
    pub fn described(self) -> Described {
        Described {
            path: self.path,
            operations: self.operations,
        }
    }
}

/// The routes of `endpoints`.
pub fn router<S>(endpoints: impl IntoIterator<Item = Endpoint<S>>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let routes = endpoints.into_iter();
    routes.fold(Router::new(), |router, endpoint| {
        router.route(endpoint.path, endpoint.methods)
    })
}
