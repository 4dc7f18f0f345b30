//! Which clients are registered at an issuer? Read, put, delete, with entity tags.
//!
//! A client id may be a URL, which does not fit into a path: every call also takes it as
//! `?client_id=` on the list's address.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::web::{Data, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, delete, get, put};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::auth::{Administers, Caller, Reads};
use super::dto::Paged;
use super::metadata::{Shown, Source, invalid, submitted};
use super::precondition::{failed, insisted, not_modified};
use super::problem::{Kind, Problem, ProblemBody};
use super::query::{CLIENT_ID_BYTES, page};
use super::text::is_id;
use super::{Admin, body};
use crate::model::Issuer;

/// One client, or a page of all.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientsQuery {
    /// Only this client: the answer is the client itself.
    client_id: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 500, default 50.
    limit: Option<u32>,
}

/// Which client, where its id does not fit into a path.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientQuery {
    /// The client.
    client_id: String,
}

/// Clients of an issuer by id, or with `client_id` that one client.
#[utoipa::path(
    tag = "clients",
    operation_id = "list_clients",
    responses(
        (status = 200, body = Paged<Object>, description = "OpenID registration metadata, with client_id, issuer, source"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/issuers/{name}/clients")]
pub(crate) async fn list(
    caller: Caller<Reads>,
    admin: Data<Admin>,
    name: Path<String>,
    asked: Query<ClientsQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let issuer = caller.issuer(&admin.directory.load(), &name)?;
    let asked = asked.into_inner();
    if let Some(client_id) = asked.client_id {
        return read(&admin, &issuer, &client_id, &request).await;
    }
    let page = page(asked.cursor, asked.limit)?;
    let mut clients = all(&admin, &issuer).await?;
    clients.retain(|client| page.after.as_ref().is_none_or(|after| client.client_id > *after));
    clients.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    let more = clients.len() > page.limit as usize;
    clients.truncate(page.limit as usize);
    let next = clients.last().filter(|_| more).map(|client| client.client_id.clone());
    Ok(HttpResponse::Ok().json(Paged { items: clients.into_iter().map(|client| client.body).collect(), next }))
}

/// One client.
#[utoipa::path(
    tag = "clients",
    operation_id = "get_client",
    responses(
        (status = 200, body = Object, description = "OpenID registration metadata; ETag"),
        (status = 304, description = "As in If-None-Match"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["read"])),
)]
#[get("/v1/issuers/{name}/clients/{client_id}")]
pub(crate) async fn get(
    caller: Caller<Reads>,
    admin: Data<Admin>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (name, client_id) = path.into_inner();
    let issuer = caller.issuer(&admin.directory.load(), &name)?;
    read(&admin, &issuer, &client_id, &request).await
}

/// Registers or replaces a client.
#[utoipa::path(
    tag = "clients",
    operation_id = "put_client",
    request_body(content = Object, content_type = "application/json", description = "OpenID registration metadata"),
    responses(
        (status = 200, body = Object, description = "Replaced; ETag"),
        (status = 201, body = Object, description = "Registered; ETag"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["admin"])),
)]
#[put("/v1/issuers/{name}/clients/{client_id}")]
pub(crate) async fn put(
    caller: Caller<Administers>,
    admin: Data<Admin>,
    path: Path<(String, String)>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (name, client_id) = path.into_inner();
    let issuer = caller.issuer(&admin.directory.load(), &name)?;
    let answer = write(&admin, &issuer, &client_id, &request, body::json(&request, payload).await?).await?;
    tracing::info!(token = caller.name(), client_id, "registered by the API");
    Ok(answer)
}

/// Registers or replaces a client whose id does not fit into a path.
#[utoipa::path(
    tag = "clients",
    operation_id = "put_client_by_query",
    request_body(content = Object, content_type = "application/json", description = "OpenID registration metadata"),
    responses(
        (status = 200, body = Object, description = "Replaced; ETag"),
        (status = 201, body = Object, description = "Registered; ETag"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["admin"])),
)]
#[put("/v1/issuers/{name}/clients")]
pub(crate) async fn put_by_query(
    caller: Caller<Administers>,
    admin: Data<Admin>,
    name: Path<String>,
    asked: Query<ClientQuery>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let issuer = caller.issuer(&admin.directory.load(), &name)?;
    let answer = write(&admin, &issuer, &asked.client_id, &request, body::json(&request, payload).await?).await?;
    tracing::info!(token = caller.name(), client_id = asked.client_id, "registered by the API");
    Ok(answer)
}

/// Unregisters a client: what it is owed becomes `skipped(unknown_client)`.
#[utoipa::path(
    tag = "clients",
    operation_id = "delete_client",
    responses(
        (status = 204, description = "Unregistered"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["admin"])),
)]
#[delete("/v1/issuers/{name}/clients/{client_id}")]
pub(crate) async fn delete(
    caller: Caller<Administers>,
    admin: Data<Admin>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (name, client_id) = path.into_inner();
    let issuer = caller.issuer(&admin.directory.load(), &name)?;
    let answer = remove(&admin, &issuer, &client_id, &request).await?;
    tracing::info!(token = caller.name(), client_id, "unregistered by the API");
    Ok(answer)
}

/// Unregisters a client whose id does not fit into a path.
#[utoipa::path(
    tag = "clients",
    operation_id = "delete_client_by_query",
    responses(
        (status = 204, description = "Unregistered"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = ["admin"])),
)]
#[delete("/v1/issuers/{name}/clients")]
pub(crate) async fn delete_by_query(
    caller: Caller<Administers>,
    admin: Data<Admin>,
    name: Path<String>,
    asked: Query<ClientQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let issuer = caller.issuer(&admin.directory.load(), &name)?;
    let answer = remove(&admin, &issuer, &asked.client_id, &request).await?;
    tracing::info!(token = caller.name(), client_id = asked.client_id, "unregistered by the API");
    Ok(answer)
}

async fn read(admin: &Admin, issuer: &Issuer, client_id: &str, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let found = find(admin, issuer, client_id).await?.ok_or_else(no_client)?;
    if not_modified(request.headers(), &found.etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, found.etag)).finish());
    }
    Ok(HttpResponse::Ok().insert_header((ETAG, found.etag)).json(found.body))
}

async fn write(
    admin: &Admin,
    issuer: &Issuer,
    client_id: &str,
    request: &HttpRequest,
    sent: Value,
) -> Result<HttpResponse, Problem> {
    if !is_id(client_id, CLIENT_ID_BYTES) {
        let detail = format!("1 to {CLIENT_ID_BYTES} bytes, no control characters");
        return Err(Problem::parameter("client_id", detail));
    }
    let current = version(find(admin, issuer, client_id).await?.as_ref())?;
    let if_version = insisted(request.headers(), current)?;
    let metadata = (admin.validate)(&submitted(sent, issuer, client_id)?, issuer).map_err(invalid)?;
    let written = admin.store.put_client(issuer.key, client_id, &metadata, if_version).await?;
    let shown = Shown::from_record(issuer, written.ok_or_else(failed)?);
    (admin.changed)();
    let status = if current.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).insert_header((ETAG, shown.etag)).json(shown.body))
}

async fn remove(
    admin: &Admin,
    issuer: &Issuer,
    client_id: &str,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let current = version(find(admin, issuer, client_id).await?.as_ref())?;
    let if_version = insisted(request.headers(), current)?;
    if current.is_none() {
        return Err(no_client());
    }
    if !admin.store.delete_client(issuer.key, client_id, if_version).await?.ok_or_else(failed)? {
        return Err(no_client());
    }
    (admin.changed)();
    Ok(HttpResponse::NoContent().finish())
}

/// The version to be replaced, if the client is ours to write.
fn version(found: Option<&Shown>) -> Result<Option<i64>, Problem> {
    match found.map(|found| found.source) {
        Some(Source::File) => Err(Problem::new(Kind::ClientInFile, "change it in the configuration file")),
        Some(Source::Api { version }) => Ok(Some(version)),
        None => Ok(None),
    }
}

async fn find(admin: &Admin, issuer: &Issuer, client_id: &str) -> Result<Option<Shown>, Problem> {
    Ok(all(admin, issuer).await?.into_iter().find(|client| client.client_id == client_id))
}

/// Every client of the issuer, in no order; where the file and the API know the same client,
/// the file's.
async fn all(admin: &Admin, issuer: &Issuer) -> Result<Vec<Shown>, Problem> {
    let records = admin.store.clients().await?;
    let directory = admin.directory.load();
    let in_file =
        directory.clients().filter(|client| client.issuer == issuer.key && admin.file_clients.contains(&client.key));
    let mut clients: Vec<_> = in_file.map(|client| Shown::from_file(issuer, client)).collect();
    let ours =
        records.into_iter().filter(|record| record.issuer == issuer.key && !admin.file_clients.contains(&record.key));
    clients.extend(ours.map(|record| Shown::from_record(issuer, record)));
    Ok(clients)
}

fn no_client() -> Problem {
    Problem::new(Kind::NotFound, "no client of this id is registered")
}
