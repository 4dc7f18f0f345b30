//! What is owed to whom, and what was tried?

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Admin;
use super::auth::{Caller, Needs, Reads};
use super::dto::{DeliveryDetailDto, DeliveryDto, Paged};
use super::problem::{Kind, Problem, ProblemBody};
use super::query;
use crate::model::{AbandonReason, DeliveryId, DeliveryState, LogoutId};
use crate::store::views::{DeliveryDetail, DeliveryFilter};

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveriesQuery {
    /// Where they stand.
    state: Option<DeliveryState>,
    /// Short name of the issuer.
    issuer: Option<String>,
    /// The client; with several issuers, name the issuer as well.
    client_id: Option<String>,
    /// The logout.
    logout: Option<i64>,
    /// Why they were given up.
    abandoned: Option<AbandonReason>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 500, default 50.
    limit: Option<u32>,
}

/// Deliveries, newest first.
#[utoipa::path(
    tag = "deliveries",
    operation_id = "list_deliveries",
    responses(
        (status = 200, body = Paged<DeliveryDto>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/deliveries")]
pub(crate) async fn list(
    caller: Caller<Reads>,
    admin: Data<Admin>,
    asked: Query<DeliveriesQuery>,
) -> Result<HttpResponse, Problem> {
    let asked = asked.into_inner();
    let page = query::page(asked.cursor, asked.limit)?;
    let which = Which { issuer: asked.issuer, client_id: asked.client_id, logout: asked.logout };
    let Some(filter) = which.filter(&caller, &admin).await? else {
        return Ok(HttpResponse::Ok().json(Paged::<DeliveryDto>::empty()));
    };
    let filter = DeliveryFilter { state: asked.state, abandoned: asked.abandoned, ..filter };
    let page = admin.store.deliveries(&filter, &page).await?;
    let directory = admin.directory.load();
    Ok(HttpResponse::Ok().json(Paged::of(page, |view| DeliveryDto::of(&directory, view))))
}

/// One delivery with its attempts.
#[utoipa::path(
    tag = "deliveries",
    operation_id = "get_delivery",
    responses(
        (status = 200, body = DeliveryDetailDto),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/deliveries/{id}")]
pub(crate) async fn get(caller: Caller<Reads>, admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, Problem> {
    let detail = seen(&caller, &admin, DeliveryId(*id)).await?;
    Ok(HttpResponse::Ok().json(DeliveryDetailDto::of(&admin.directory.load(), detail)))
}

/// This delivery, if there is one that the caller may see.
pub(crate) async fn seen<N: Needs>(
    caller: &Caller<N>,
    admin: &Admin,
    id: DeliveryId,
) -> Result<DeliveryDetail, Problem> {
    let found = admin.store.delivery(id).await?;
    found
        .filter(|detail| caller.sees(&admin.directory.load(), detail.view.issuer))
        .ok_or_else(|| Problem::new(Kind::NotFound, "no delivery has this id"))
}

/// What lists and redelivery filter by alike.
pub(crate) struct Which {
    pub(crate) issuer: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) logout: Option<i64>,
}

impl Which {
    /// The store's filter; `None`: nothing can match, because the client was never seen.
    pub(crate) async fn filter<N: Needs>(
        self,
        caller: &Caller<N>,
        admin: &Admin,
    ) -> Result<Option<DeliveryFilter>, Problem> {
        let directory = admin.directory.load();
        let issuer = self.issuer.map(|name| caller.issuer(&directory, &name)).transpose()?;
        let mut filter = DeliveryFilter {
            issuer: issuer.as_ref().map(|issuer| issuer.key),
            logout: self.logout.map(LogoutId),
            visible: caller.visible(&directory),
            ..DeliveryFilter::default()
        };
        if let Some(client_id) = query::client_id(self.client_id)? {
            filter.client = query::client(admin, &directory, issuer.as_deref(), &client_id).await?;
            if filter.client.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(filter))
    }
}
