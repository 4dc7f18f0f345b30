//! Who holds what? Sessions in the registry.

use actix_web::web::{Data, Query};
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Admin;
use super::auth::{Caller, Reads};
use super::dto::{Paged, SessionDto};
use super::problem::{Problem, ProblemBody};
use super::query;
use crate::store::views::SessionFilter;

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionsQuery {
    /// Short name of the issuer.
    issuer: String,
    /// The provider's key of the user.
    subject: Option<String>,
    /// The provider session.
    session_id: Option<String>,
    /// The client.
    client_id: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 500, default 50.
    limit: Option<u32>,
}

/// Sessions of a user, of a provider session or of a client.
#[utoipa::path(
    tag = "sessions",
    operation_id = "list_sessions",
    responses(
        (status = 200, body = Paged<SessionDto>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/sessions")]
pub(crate) async fn list(
    caller: Caller<Reads>,
    admin: Data<Admin>,
    asked: Query<SessionsQuery>,
) -> Result<HttpResponse, Problem> {
    let directory = admin.directory.load();
    let asked = asked.into_inner();
    let issuer = caller.issuer(&directory, &asked.issuer)?;
    let page = query::page(asked.cursor, asked.limit)?;
    let mut filter = SessionFilter {
        issuer: Some(issuer.key),
        session_id: query::id("session_id", asked.session_id)?,
        subject: query::id("subject", asked.subject)?,
        client: None,
        visible: caller.visible(&directory),
    };
    if let Some(client_id) = query::client_id(asked.client_id)? {
        filter.client = query::client(&admin, &directory, Some(&issuer), &client_id).await?;
        if filter.client.is_none() {
            return Ok(HttpResponse::Ok().json(Paged::<SessionDto>::empty()));
        }
    }
    if filter.session_id.is_none() && filter.subject.is_none() && filter.client.is_none() {
        return Err(Problem::parameter("subject", "one of subject, session_id and client_id is needed"));
    }
    let page = admin.store.sessions(&filter, &page).await?;
    Ok(HttpResponse::Ok().json(Paged::of(page, |view| SessionDto::of(&directory, view))))
}
