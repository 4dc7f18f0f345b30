//! How do sessions end that live in a cookie, or in anything else that the application cannot take away?

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::chain;
use crate::session::Keeper;
use crate::{Login, SessionRegistry, Standing};

type Read = dyn Fn(&Parts) -> Option<Login> + Send + Sync;

/// A layer for sessions that live in a cookie or a token: asks the registry at each request whether a
/// logout has ended the session, by the login that it carries. Then the answer is 401, without a body;
/// it is for the application's own layers around this one to drop the cookie. With the registry out of
/// reach, a request with a login is answered with 503.
///
/// An [`IndexedSessionStore`](super::IndexedSessionStore) does the same by itself.
#[derive(Clone)]
pub struct DenyEndedLayer {
    keeper: Keeper,
    read: Arc<Read>,
}

impl DenyEndedLayer {
    /// Asks this registry, the one that the endpoint ends. `read` finds the login of a request, where
    /// the application keeps it: in a cookie whose signature it checks, or in an extension.
    pub fn new(
        registry: impl SessionRegistry + 'static,
        read: impl Fn(&Parts) -> Option<Login> + Send + Sync + 'static,
    ) -> Self {
        Self { keeper: Keeper::new(registry), read: Arc::new(read) }
    }
}

impl<S> Layer<S> for DenyEndedLayer {
    type Service = DenyEnded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DenyEnded { inner, layer: self.clone() }
    }
}

/// The service of [`DenyEndedLayer`].
#[derive(Clone)]
pub struct DenyEnded<S> {
    inner: S,
    layer: DenyEndedLayer,
}

impl<S, Body, Reply> Service<Request<Body>> for DenyEnded<S>
where
    S: Service<Request<Body>, Response = Response<Reply>> + Clone + Send + 'static,
    S::Future: Send,
    Body: Send + 'static,
    Reply: Default,
{
    type Response = Response<Reply>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready, not its clone.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let (parts, body) = request.into_parts();
        let (login, keeper) = ((self.layer.read)(&parts), self.layer.keeper.clone());
        Box::pin(async move {
            match refusal(&keeper, login).await {
                Some(status) => Ok(refuse(status)),
                None => inner.call(Request::from_parts(parts, body)).await,
            }
        })
    }
}

async fn refusal(keeper: &Keeper, login: Option<Login>) -> Option<StatusCode> {
    match keeper.standing(None, &login?).await {
        Ok(Standing::Alive) => None,
        Ok(Standing::Ended) => Some(StatusCode::UNAUTHORIZED),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "it cannot be told whether a session has ended");
            Some(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

fn refuse<Reply: Default>(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl fmt::Debug for DenyEndedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyEndedLayer").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for DenyEnded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyEnded").finish_non_exhaustive()
    }
}
