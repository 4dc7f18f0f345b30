//! What did the provider say over HTTP? Submission of events, with receipts.

use std::time::Duration;

use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Admin;
use super::auth::{Caller, Submits};
use super::body::{self, EVENTS_LIMIT};
use super::dto::CountsDto;
use super::problem::{Kind, Problem, ProblemBody, Wrong};
use super::progress::{Progress, settled_within};
use crate::intake::SubmitError;
use crate::model::{LogoutId, Receipt, ReceiptStatus};

/// The longest `wait`.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Whether to wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    /// Answer when everything owed is settled, or after this time: `5s`, at most `60s`.
    wait: Option<String>,
}

/// What became of the events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Submitted {
    /// One per event, in their order.
    receipts: Vec<ReceiptDto>,
    /// With `wait`: whether everything owed is settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<bool>,
}

/// What became of one event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(crate) struct ReceiptDto {
    /// `recorded`, `duplicate` (nothing changed) or `ignored` (of no concern).
    status: &'static str,
    /// For logouts: where to look.
    #[serde(skip_serializing_if = "Option::is_none")]
    logout: Option<String>,
    /// For logouts: deliveries due because of this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    owed: Option<u32>,
    /// For logouts: sessions that may stay signed in, because nothing can be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<u32>,
    /// For logouts that cover very many sessions: more will be owed, little by little.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    expanding: bool,
    /// With `wait`: how far the logout is.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<CountsDto>,
}

impl ReceiptDto {
    fn of(receipt: &Receipt, progress: Option<&Progress>) -> Self {
        let logout = receipt.logout;
        Self {
            status: match receipt.status {
                ReceiptStatus::Recorded => "recorded",
                ReceiptStatus::Duplicate => "duplicate",
                ReceiptStatus::Ignored => "ignored",
            },
            logout: logout.map(|id| format!("/v1/logouts/{id}")),
            owed: logout.map(|_| receipt.owed),
            skipped: logout.map(|_| receipt.skipped),
            expanding: receipt.expanding,
            counts: logout.and_then(|id| Some((*progress?.counts.get(&id)?).into())),
        }
    }
}

/// Accepts one event or a batch: recorded, with everything owed, when the answer comes.
#[utoipa::path(
    tag = "events",
    operation_id = "submit_events",
    request_body(
        content(
            (Object = "application/cloudevents+json"),
            (Vec<Object> = "application/cloudevents-batch+json"),
        ),
        description = "CloudEvents 1.0, structured: one event, or an array of them",
    ),
    responses(
        (status = 200, body = Submitted, description = "Recorded, and (with wait) everything owed is settled"),
        (status = 202, body = Submitted, description = "Recorded"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json",
            description = "Nothing is recorded; errors name the event by its index"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json",
            description = "Nothing is recorded, or nobody knows: send it again"),
    ),
    security(("bearer" = ["events"])),
)]
#[post("/v1/events")]
pub(crate) async fn submit(
    caller: Caller<Submits>,
    admin: Data<Admin>,
    asked: Query<EventsQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let wait = asked.wait.as_deref().map(duration).transpose()?;
    let sent = body::read(&request, payload, EVENTS_LIMIT).await?;
    let kind = body::content_type(&request);
    let receipts = admin.events.submit(kind, &sent, caller.issuers(), caller.bulk()).await;
    let receipts = receipts.map_err(|error| problem(&error))?;
    let progress = match wait {
        Some(wait) => Some(settled_within(&admin, &logouts(&receipts), wait).await),
        None => None,
    };
    let settled = progress.as_ref().map(Progress::is_settled);
    let receipts = receipts.iter().map(|receipt| ReceiptDto::of(receipt, progress.as_ref())).collect();
    let mut answer = if settled == Some(true) { HttpResponse::Ok() } else { HttpResponse::Accepted() };
    Ok(answer.json(Submitted { receipts, settled }))
}

fn duration(text: &str) -> Result<Duration, Problem> {
    let parsed = humantime::parse_duration(text).ok().filter(|wait| *wait <= WAIT_MAX);
    parsed.ok_or_else(|| Problem::parameter("wait", "a duration such as 5s, at most 60s"))
}

fn logouts(receipts: &[Receipt]) -> Vec<LogoutId> {
    let mut ids: Vec<_> = receipts.iter().filter_map(|receipt| receipt.logout).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn problem(error: &SubmitError) -> Problem {
    let kind = match error {
        SubmitError::Malformed { .. } => Kind::MalformedEvent,
        SubmitError::Unprocessable { .. } | SubmitError::Refused => Kind::RejectedEvent,
        SubmitError::UnsupportedMediaType => Kind::UnsupportedMediaType,
        SubmitError::TooLarge { .. } => Kind::TooLarge,
        SubmitError::Unavailable => Kind::Unavailable,
    };
    let detail = error.to_string();
    let wrong = Wrong { index: error.index(), reason: error.code().to_owned(), detail: detail.clone(), path: None };
    Problem::new(kind, detail).with(wrong)
}
