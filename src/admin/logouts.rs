//! What did a logout owe, and how far is it?

use actix_web::web::{Data, Path, Query};
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Admin;
use super::auth::{Caller, Reads};
use super::dto::{LogoutDetailDto, LogoutDto, Paged};
use super::problem::{Kind, Problem, ProblemBody};
use super::query;
use crate::model::LogoutId;
use crate::store::views::{LogoutDetail, LogoutFilter};

/// Which logouts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogoutsQuery {
    /// Short name of the issuer.
    issuer: Option<String>,
    /// The event's id.
    event_id: Option<String>,
    /// The provider session.
    session_id: Option<String>,
    /// The provider's key of the user.
    subject: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 500, default 50.
    limit: Option<u32>,
}

/// Logouts, newest first.
#[utoipa::path(
    tag = "logouts",
    operation_id = "list_logouts",
    responses(
        (status = 200, body = Paged<LogoutDto>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/logouts")]
pub(crate) async fn list(
    caller: Caller<Reads>,
    admin: Data<Admin>,
    asked: Query<LogoutsQuery>,
) -> Result<HttpResponse, Problem> {
    let directory = admin.directory.load();
    let asked = asked.into_inner();
    let page = query::page(asked.cursor, asked.limit)?;
    let issuer = asked.issuer.map(|name| caller.issuer(&directory, &name)).transpose()?;
    let filter = LogoutFilter {
        issuer: issuer.map(|issuer| issuer.key),
        event_id: query::id("event_id", asked.event_id)?,
        session_id: query::id("session_id", asked.session_id)?,
        subject: query::id("subject", asked.subject)?,
        visible: caller.visible(&directory),
    };
    let page = admin.store.logouts(&filter, &page).await?;
    Ok(HttpResponse::Ok().json(Paged::of(page, |view| LogoutDto::of(&directory, view))))
}

/// One logout: what it owed, what was delivered, who may still be signed in.
#[utoipa::path(
    tag = "logouts",
    operation_id = "get_logout",
    responses(
        (status = 200, body = LogoutDetailDto),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/logouts/{id}")]
pub(crate) async fn get(caller: Caller<Reads>, admin: Data<Admin>, id: Path<i64>) -> Result<HttpResponse, Problem> {
    let detail = seen(&caller, &admin, LogoutId(*id)).await?;
    Ok(HttpResponse::Ok().json(LogoutDetailDto::of(&admin.directory.load(), detail)))
}

/// This logout, if there is one that the caller may see.
pub(crate) async fn seen(caller: &Caller<Reads>, admin: &Admin, id: LogoutId) -> Result<LogoutDetail, Problem> {
    let found = admin.store.logout(id).await?;
    found
        .filter(|detail| caller.sees(&admin.directory.load(), detail.view.logout.issuer))
        .ok_or_else(|| Problem::new(Kind::NotFound, "no logout has this id"))
}
