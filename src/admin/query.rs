//! What do query parameters mean? Pages, ids, clients by name.

use actix_web::error::QueryPayloadError;

use super::Admin;
use super::problem::{Kind, Problem};
use super::text::{is_id, without_values};
use crate::model::{ClientKey, Directory, Issuer};
use crate::store::views::Page;

/// Longest event id, session id, sid, sub, subject.
const ID_BYTES: usize = 255;
/// Longest `client_id`.
pub(crate) const CLIENT_ID_BYTES: usize = 512;
const CURSOR_BYTES: usize = 4096;
const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 500;

/// A query string that does not fit the call's parameters.
pub(crate) fn mismatch(error: &QueryPayloadError) -> Problem {
    let detail = match error {
        QueryPayloadError::Deserialize(error) => without_values(&error.to_string()),
        _ => "the query string cannot be read".to_owned(),
    };
    Problem::new(Kind::InvalidQuery, detail)
}

/// Which page was asked for.
pub(crate) fn page(cursor: Option<String>, limit: Option<u32>) -> Result<Page, Problem> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::parameter("limit", format!("from 1 to {PAGE_MAX}")));
    }
    if cursor.as_deref().is_some_and(|cursor| !is_id(cursor, CURSOR_BYTES)) {
        return Err(Problem::parameter("cursor", "not a cursor; use `next` of the page before"));
    }
    Ok(Page { after: cursor, limit })
}

/// An id to look for.
pub(crate) fn id(name: &str, value: Option<String>) -> Result<Option<String>, Problem> {
    bounded(name, value, ID_BYTES)
}

/// A client id to look for.
pub(crate) fn client_id(value: Option<String>) -> Result<Option<String>, Problem> {
    bounded("client_id", value, CLIENT_ID_BYTES)
}

fn bounded(name: &str, value: Option<String>, max: usize) -> Result<Option<String>, Problem> {
    match value {
        Some(value) if !is_id(&value, max) => {
            Err(Problem::parameter(name, format!("1 to {max} bytes, no control characters")))
        }
        value => Ok(value),
    }
}

/// The client of this id, registered or only seen; `None`: never seen.
pub(crate) async fn client(
    admin: &Admin,
    directory: &Directory,
    issuer: Option<&Issuer>,
    client_id: &str,
) -> Result<Option<ClientKey>, Problem> {
    let Some(issuer) = issuer.or_else(|| only_issuer(directory)) else {
        return Err(Problem::parameter("client_id", "name the issuer as well: there are several"));
    };
    if let Some(client) = directory.client_by_id(issuer.key, client_id) {
        return Ok(Some(client.key));
    }
    Ok(admin.store.find_client(issuer.key, client_id).await?)
}

fn only_issuer(directory: &Directory) -> Option<&Issuer> {
    let mut issuers = directory.issuers();
    let first = issuers.next()?;
    issuers.next().is_none().then_some(first)
}
