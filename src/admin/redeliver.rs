//! How does what was given up become due again? One by one, or by filter.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Admin;
use super::auth::{Administers, Caller};
use super::body;
use super::deliveries::{Which, seen};
use super::problem::{Kind, Problem, ProblemBody};
use crate::model::{AbandonReason, DeliveryId, DeliveryState};
use crate::store::views::DeliveryFilter;

/// Which abandoned deliveries. An empty filter is refused unless `all` is true.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RedeliverFilter {
    /// Short name of the issuer.
    issuer: Option<String>,
    /// The client; with several issuers, name the issuer as well.
    client_id: Option<String>,
    /// The logout.
    logout: Option<i64>,
    /// Why they were given up.
    abandoned: Option<AbandonReason>,
    /// Every abandoned delivery; nothing else may be given then.
    #[serde(default)]
    all: bool,
}

impl RedeliverFilter {
    fn is_empty(&self) -> bool {
        self.issuer.is_none() && self.client_id.is_none() && self.logout.is_none() && self.abandoned.is_none()
    }
}

/// What a redelivery did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Redelivered {
    /// Deliveries that are due again.
    redelivered: u64,
}

/// Makes one abandoned delivery due again.
#[utoipa::path(
    tag = "deliveries",
    operation_id = "redeliver_one",
    responses(
        (status = 202, body = Redelivered),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["admin"])),
)]
#[post("/v1/deliveries/{id}/redeliver")]
pub(crate) async fn one(
    caller: Caller<Administers>,
    admin: Data<Admin>,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    let id = DeliveryId(*id);
    seen(&caller, &admin, id).await?;
    if !admin.store.redeliver(id).await? {
        return Err(Problem::new(Kind::NotAbandoned, "only abandoned deliveries can be made due again"));
    }
    tracing::info!(token = caller.name(), delivery_id = id.0, "made due again by the API");
    Ok(HttpResponse::Accepted().json(Redelivered { redelivered: 1 }))
}

/// Makes abandoned deliveries due again, by filter.
#[utoipa::path(
    tag = "deliveries",
    operation_id = "redeliver_many",
    request_body = RedeliverFilter,
    responses(
        (status = 202, body = Redelivered),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["admin"])),
)]
#[post("/v1/deliveries/redeliver")]
pub(crate) async fn many(
    caller: Caller<Administers>,
    admin: Data<Admin>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let asked: RedeliverFilter = body::json(&request, payload).await?;
    if asked.is_empty() != asked.all {
        let detail = "give issuer, client_id, logout or abandoned; or all: true, alone";
        return Err(Problem::new(Kind::InvalidJson, detail));
    }
    let which = Which { issuer: asked.issuer, client_id: asked.client_id, logout: asked.logout };
    let redelivered = match which.filter(&caller, &admin).await? {
        Some(filter) => {
            let state = Some(DeliveryState::Abandoned);
            let filter = DeliveryFilter { state, abandoned: asked.abandoned, ..filter };
            admin.store.redeliver_where(&filter).await?
        }
        None => 0,
    };
    tracing::info!(token = caller.name(), count = redelivered, "made due again by the API");
    Ok(HttpResponse::Accepted().json(Redelivered { redelivered }))
}
