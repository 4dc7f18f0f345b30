//! How does actix-web serve the endpoint?

use actix_web::dev::Payload;
use actix_web::error::ErrorInternalServerError;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{self, BytesMut, ServiceConfig};
use actix_web::{FromRequest, HttpRequest, HttpResponse, Resource, ResponseError};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};

use crate::endpoint::{BODY_LIMIT, Envelope};
use crate::{Answer, BackchannelLogout, LogoutError, LogoutToken, Reason};

impl BackchannelLogout {
    /// The endpoint at this path, for `App::service`. It answers `POST` and refuses other methods.
    ///
    /// It reads the body itself and looks at no application data, so that neither a `FormConfig` nor
    /// a `PayloadConfig` of the application changes what it accepts. Middleware of the application
    /// does apply: keep the path free of CSRF checks and login walls, the sender has no cookies.
    #[must_use]
    pub fn resource(&self, path: &str) -> Resource {
        let endpoint = self.clone();
        let post = web::post().to(move |request: HttpRequest, body: web::Payload| {
            let endpoint = endpoint.clone();
            async move { HttpResponse::from(endpoint.answer(envelope(&request), read(body)).await) }
        });
        let other = web::to(|| async { HttpResponse::from(Answer::method_not_allowed()) });
        web::resource(path).route(post).default_service(other)
    }

    /// The same, for `App::configure`.
    pub fn configure(&self, path: &str) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let resource = self.resource(path);
        move |config| {
            config.service(resource);
        }
    }
}

/// The verified token of the request, for handlers that do the rest themselves:
/// [`BackchannelLogout::carry_out`], or something else.
///
/// The endpoint is looked for in the application data, as `web::Data<BackchannelLogout>`. Who sends
/// anything but a good token is answered as the endpoint answers, and the handler does not run.
impl FromRequest for LogoutToken {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let endpoint = request.app_data::<web::Data<BackchannelLogout>>().cloned();
        let (envelope, body) = (envelope(request), web::Payload::from_request(request, payload));
        async move {
            let endpoint = endpoint.ok_or_else(|| ErrorInternalServerError("no web::Data<BackchannelLogout>"))?;
            Ok(endpoint.open_envelope(envelope, read(body.await?)).await?)
        }
        .boxed_local()
    }
}

fn envelope(request: &HttpRequest) -> Envelope {
    let header = |name| request.headers().get(name)?.to_str().ok();
    Envelope::new(header(CONTENT_TYPE), header(CONTENT_LENGTH))
}

async fn read(mut body: web::Payload) -> Result<BytesMut, Reason> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Reason::BodyUnreadable)?;
        if bytes.len() + chunk.len() > BODY_LIMIT {
            return Err(Reason::BodyTooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

impl From<Answer> for HttpResponse {
    fn from(answer: Answer) -> Self {
        let mut response = Self::build(status(&answer));
        for header in answer.headers {
            response.insert_header(header);
        }
        response.body(answer.body)
    }
}

fn status(answer: &Answer) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Answers as the endpoint does.
impl ResponseError for LogoutError {
    fn status_code(&self) -> StatusCode {
        status(&Answer::error(self))
    }

    fn error_response(&self) -> HttpResponse {
        Answer::error(self).into()
    }
}
