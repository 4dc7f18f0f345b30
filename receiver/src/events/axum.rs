//! How does axum serve the streams and the script?

use std::convert::Infallible;
use std::future::Future;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt as _;
use http::HeaderMap;
use http::header::IF_NONE_MATCH;

use super::{EventStream, HEADERS, SessionEvents, Watched, script};

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        (HEADERS, Body::from_stream(self.map(Ok::<_, Infallible>))).into_response()
    }
}

impl SessionEvents {
    /// The streams at this path, for `Router::merge`; `who` finds the session of a request. Where sessions
    /// come from an extractor, write the handler: it returns [`SessionEvents::stream`].
    ///
    /// # Panics
    /// As `Router::route` does, if the path does not start with `/` or is not a path of axum.
    pub fn router<S, F, Found>(&self, path: &str, who: F) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
        F: Fn(Request) -> Found + Clone + Send + Sync + 'static,
        Found: Future<Output = Option<Watched>> + Send + 'static,
    {
        let events = self.clone();
        Router::new().route(path, get(move |request: Request| async move { events.stream(who(request).await) }))
    }

    /// [`TAB_SCRIPT`](super::TAB_SCRIPT) at this path, with an `ETag`.
    ///
    /// # Panics
    /// As [`router`](Self::router) does.
    pub fn script_router<S: Clone + Send + Sync + 'static>(path: &str) -> Router<S> {
        let serve = |headers: HeaderMap| async move {
            script::answer(headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()))
        };
        Router::new().route(path, get(serve))
    }
}
