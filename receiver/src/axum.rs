//! How does axum serve the endpoint?

use axum::Router;
use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};

use crate::{Answer, BackchannelLogout, LogoutError, LogoutToken};

impl BackchannelLogout {
    /// The endpoint at this path, for `Router::merge`. It answers `POST` and refuses other methods.
    ///
    /// It reads the body itself, so that a `DefaultBodyLimit` of the application does not change what it
    /// accepts. Layers that are put around it do apply: keep the path free of CSRF checks and login
    /// walls, the sender has no cookies.
    ///
    /// # Panics
    /// As `Router::route` does, if the path does not start with `/` or is not a path of axum.
    pub fn router<S: Clone + Send + Sync + 'static>(&self, path: &str) -> Router<S> {
        Router::new().route_service(path, self.service())
    }
}

/// The verified token of the request, for handlers that do the rest themselves:
/// [`BackchannelLogout::carry_out`], or something else.
///
/// The endpoint is taken from the state. Who sends anything but a good token is answered as the
/// endpoint answers, and the handler does not run.
impl<S> FromRequest<S> for LogoutToken
where
    S: Send + Sync,
    BackchannelLogout: FromRef<S>,
{
    type Rejection = LogoutError;

    async fn from_request(request: Request, state: &S) -> Result<Self, LogoutError> {
        BackchannelLogout::from_ref(state).open(request).await
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        http::Response::<String>::from(self).into_response()
    }
}

/// Answers as the endpoint does.
impl IntoResponse for LogoutError {
    fn into_response(self) -> Response {
        Answer::error(&self).into_response()
    }
}
