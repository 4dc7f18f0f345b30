//! How does actix-web serve the endpoint?

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::{self, BytesMut, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use futures_util::StreamExt as _;

use crate::endpoint::BODY_LIMIT;
use crate::{Answer, BackchannelLogout, Reason};

/// How long a sender may take to deliver its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

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
            async move { HttpResponse::from(answer(&endpoint, request.headers(), body).await) }
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

async fn answer(endpoint: &BackchannelLogout, headers: &HeaderMap, body: web::Payload) -> Answer {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let read = match declared_length(headers) {
        Some(length) if length > BODY_LIMIT as u64 => Err(Reason::BodyTooLarge),
        _ => tokio::time::timeout(BODY_TIMEOUT, read(body)).await.unwrap_or(Err(Reason::BodyUnreadable)),
    };
    match read {
        Ok(body) => endpoint.respond(content_type, &body).await,
        Err(reason) => BackchannelLogout::reject(reason),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
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
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Self::build(status);
        for header in answer.headers {
            response.insert_header(header);
        }
        response.body(answer.body)
    }
}
