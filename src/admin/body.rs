//! How much of a body is read, for how long, and as what?

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Payload;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};
use super::text::without_values;

/// Of a batch of events; the door allows one event less.
pub(crate) const EVENTS_LIMIT: usize = 1024 * 1024;
/// Of everything else.
const JSON_LIMIT: usize = 64 * 1024;
/// From the end of the head to the end of the body.
const DEADLINE: Duration = Duration::from_secs(10);

/// The content type, without a guess where there is none.
pub(crate) fn content_type(request: &HttpRequest) -> &str {
    request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The whole body, if it is not too large and comes in time.
pub(crate) async fn read(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(Kind::TooLarge, format!("at most {limit} bytes"));
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let whole = async {
        let mut payload = payload;
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::new(Kind::InvalidRequest, "the body ended too early"))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let late = |_| Problem::new(Kind::RequestTimeout, format!("the body took longer than {} s", DEADLINE.as_secs()));
    tokio::time::timeout(DEADLINE, whole).await.map_err(late)?
}

/// The body as this JSON.
pub(crate) async fn json<T: DeserializeOwned>(request: &HttpRequest, payload: Payload) -> Result<T, Problem> {
    let kind = content_type(request).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" && !kind.ends_with("+json") {
        return Err(Problem::new(Kind::UnsupportedMediaType, "send application/json"));
    }
    let body = read(request, payload, JSON_LIMIT).await?;
    serde_json::from_slice(&body).map_err(|error| Problem::new(Kind::InvalidJson, without_values(&error.to_string())))
}
