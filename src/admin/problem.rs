//! What went wrong with a call? RFC 9457 problem details with stable types.

use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::StoreError;

/// The kinds of problems: each a stable `type`, one status, one title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidRequest,
    InvalidQuery,
    InvalidJson,
    MalformedEvent,
    Unauthorized,
    InsufficientScope,
    IssuerNotAllowed,
    ForeignOrigin,
    NotFound,
    UnknownIssuer,
    MethodNotAllowed,
    RequestTimeout,
    ClientInFile,
    NotAbandoned,
    PreconditionFailed,
    TooLarge,
    HeadTooLarge,
    UnsupportedMediaType,
    WrongHost,
    RejectedEvent,
    InvalidMetadata,
    Internal,
    Unavailable,
}

impl Kind {
    /// Status, last part of the `type`, title.
    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (StatusCode::BAD_REQUEST, "invalid-request", "The request cannot be understood"),
            Self::InvalidQuery => (StatusCode::BAD_REQUEST, "invalid-query", "The query cannot be understood"),
            Self::InvalidJson => (StatusCode::BAD_REQUEST, "invalid-json", "The body is not the JSON expected"),
            Self::MalformedEvent => (StatusCode::BAD_REQUEST, "malformed-event", "An event cannot be read"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "A valid token is needed"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient-scope", "The token does not open this"),
            Self::IssuerNotAllowed => (StatusCode::FORBIDDEN, "issuer-not-allowed", "The token is not for this issuer"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "foreign-origin", "Other sites may not call this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing here"),
            Self::UnknownIssuer => (StatusCode::NOT_FOUND, "unknown-issuer", "No issuer has this name"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request-timeout", "The body came too slowly"),
            Self::ClientInFile => {
                (StatusCode::CONFLICT, "client-in-file", "The client belongs to the configuration file")
            }
            Self::NotAbandoned => (StatusCode::CONFLICT, "not-abandoned", "The delivery is not abandoned"),
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "precondition-failed", "The client is at another version")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::HeadTooLarge => {
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The request's head is too large")
            }
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The content type is not supported")
            }
            Self::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong-host", "The Host header is not a local name"),
            Self::RejectedEvent => (StatusCode::UNPROCESSABLE_ENTITY, "rejected-event", "An event is not accepted"),
            Self::InvalidMetadata => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-metadata", "The client metadata is not valid")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The service failed"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The store cannot be reached"),
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Wrong {
    /// Which event of a batch, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<usize>,
    /// Which member or parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// A stable word.
    pub(crate) reason: String,
    /// For people.
    pub(crate) detail: String,
}

/// `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// `urn:signoff:problem:…`, stable.
    #[serde(rename = "type")]
    kind: String,
    /// The type in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is the matter this time.
    detail: String,
    /// What is wrong, piece by piece.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
}

/// A call that failed.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<Wrong>,
    header: Option<(HeaderName, String)>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let header = match kind {
            Kind::Unavailable => Some((RETRY_AFTER, "1".to_owned())),
            Kind::Unauthorized => Some((WWW_AUTHENTICATE, r#"Bearer realm="signoff""#.to_owned())),
            _ => None,
        };
        Self { kind, detail: detail.into(), errors: Vec::new(), header }
    }

    /// A query parameter that cannot be used.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self::new(Kind::InvalidQuery, format!("{name}: {detail}")).with(Wrong {
            path: Some(name.to_owned()),
            reason: "invalid_parameter".to_owned(),
            detail,
            ..Wrong::default()
        })
    }

    /// The token lacks this scope.
    pub(crate) fn insufficient_scope(scope: &str) -> Self {
        let challenge = format!(r#"Bearer realm="signoff", error="insufficient_scope", scope="{scope}""#);
        let detail = format!("the token does not have the scope {scope}");
        Self { header: Some((WWW_AUTHENTICATE, challenge)), ..Self::new(Kind::InsufficientScope, detail) }
    }

    /// The path exists, with these methods.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let detail = format!("allowed: {allow}");
        Self { header: Some((ALLOW, allow)), ..Self::new(Kind::MethodNotAllowed, detail) }
    }

    pub(crate) fn with(mut self, wrong: Wrong) -> Self {
        self.errors.push(wrong);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.facts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, name, title) = self.kind.facts();
        let mut answer = HttpResponse::build(status);
        if let Some(header) = self.header.clone() {
            answer.insert_header(header);
        }
        answer.content_type("application/problem+json").json(ProblemBody {
            kind: format!("urn:signoff:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
        })
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                tracing::warn!(error = format!("{cause:#}"), "the store did not answer a call of the API");
                Self::new(Kind::Unavailable, "the store cannot be reached; try again")
            }
            StoreError::Poison(_) => {
                Self::new(Kind::InvalidRequest, "the store refuses a value of this request (a cursor, an id)")
            }
            StoreError::Internal(cause) => {
                tracing::error!(error = format!("{cause:#}"), "the store failed a call of the API");
                Self::new(Kind::Internal, "the service failed; its log says why")
            }
        }
    }
}

/// Gives the framework's own errors the shape of all others.
pub(crate) async fn shape<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = next.call(request).await?.map_into_boxed_body();
    let status = answer.status();
    let is_json = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("json"));
    if !status.is_client_error() && !status.is_server_error() || answer.headers().get(CONTENT_TYPE).is_some_and(is_json)
    {
        return Ok(answer);
    }
    let kind = match status {
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::REQUEST_TIMEOUT => Kind::RequestTimeout,
        _ if status.is_client_error() => Kind::InvalidRequest,
        _ => Kind::Internal,
    };
    let (request, _) = answer.into_parts();
    Ok(ServiceResponse::new(request, Problem::new(kind, "the request was not accepted").error_response()))
}
