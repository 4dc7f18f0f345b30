//! How does any tower stack serve the endpoint?

use std::convert::Infallible;
use std::error::Error as StdError;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tower_service::Service;

use crate::endpoint::{BODY_LIMIT, Envelope};
use crate::{Answer, BackchannelLogout, LogoutError, LogoutToken, Reason};

/// The endpoint as a tower service: answers `POST`, refuses other methods, reads a bounded body.
///
/// It never fails, and looks at no path: put it where the registered `backchannel_logout_uri` leads.
#[derive(Debug, Clone)]
pub struct LogoutService(BackchannelLogout);

impl BackchannelLogout {
    /// The endpoint for any stack that speaks tower and http 1, such as hyper.
    #[must_use]
    pub fn service(&self) -> LogoutService {
        LogoutService(self.clone())
    }

    /// The verified token of a `POST`, and nothing done yet: for handlers that do the rest themselves,
    /// by [`carry_out`](Self::carry_out) or otherwise. What is wrong is logged.
    pub async fn open<B>(&self, request: Request<B>) -> Result<LogoutToken, LogoutError>
    where
        B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
    {
        let envelope = envelope(request.headers());
        self.open_envelope(envelope, read(request.into_body())).await
    }
}

impl<B> Service<Request<B>> for LogoutService
where
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self(endpoint) = self.clone();
        async move {
            let answer = if request.method() == Method::POST {
                let envelope = envelope(request.headers());
                endpoint.answer(envelope, read(request.into_body())).await
            } else {
                Answer::method_not_allowed()
            };
            Ok(answer.into())
        }
        .boxed()
    }
}

fn envelope(headers: &HeaderMap) -> Envelope {
    let header = |name| headers.get(name)?.to_str().ok();
    Envelope::new(header(CONTENT_TYPE), header(CONTENT_LENGTH))
}

async fn read<B>(body: B) -> Result<impl AsRef<[u8]>, Reason>
where
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>>,
{
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Reason::BodyTooLarge),
        Err(_) => Err(Reason::BodyUnreadable),
    }
}

impl From<Answer> for Response<String> {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(answer.body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in answer.headers {
            // The names are constants, and known to be good.
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        response
    }
}
