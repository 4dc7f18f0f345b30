//! Which keys verify our tokens? Published for everybody.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Query};
use actix_web::{HttpResponse, get};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Admin;
use super::problem::{Kind, Problem, ProblemBody};
use crate::model::{Directory, IssuerKey};

/// Whose keys.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwksQuery {
    /// Short name or URL of the issuer; needed where there are several.
    issuer: Option<String>,
}

/// The public keys that logout tokens are signed with, announced and retired ones included.
#[utoipa::path(
    tag = "keys",
    operation_id = "jwks",
    responses(
        (status = 200, body = Object, description = "RFC 7517 JWK Set"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
#[get("/.well-known/jwks.json")]
pub(crate) async fn get(admin: Data<Admin>, asked: Query<JwksQuery>) -> Result<HttpResponse, Problem> {
    let issuer = which(&admin.directory.load(), asked.issuer.as_deref())?;
    let keys = admin.jwks.jwks(issuer).ok_or_else(|| Problem::new(Kind::NotFound, "this issuer has no keys"))?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=60")).json(keys))
}

fn which(directory: &Directory, named: Option<&str>) -> Result<IssuerKey, Problem> {
    if let Some(name) = named {
        let found = directory.issuer_by_name(name).or_else(|| directory.issuer_by_url(name));
        let unknown = || Problem::new(Kind::UnknownIssuer, "no configured issuer has this name or URL");
        return found.map(|issuer| issuer.key).ok_or_else(unknown);
    }
    let mut issuers = directory.issuers();
    match (issuers.next(), issuers.next()) {
        (Some(only), None) => Ok(only.key),
        (None, _) => Err(Problem::new(Kind::NotFound, "no issuer is configured")),
        _ => Err(Problem::parameter("issuer", "there are several issuers: name one")),
    }
}
