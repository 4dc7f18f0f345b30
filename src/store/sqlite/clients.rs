//! Who is known, who is registered, since when is a key published?

use sqlx::FromRow;
use sqlx::sqlite::SqlitePool;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::failed;
use crate::model::{ClientKey, IssuerKey};
use crate::store::StoreError;
use crate::store::at::At;
use crate::store::rows::ClientRow;
use crate::store::views::ClientRecord;

#[derive(FromRow)]
struct NameRow {
    id: i32,
    issuer: i32,
    client_id: String,
}

pub(super) async fn issuer_key(pool: &SqlitePool, issuer: &str) -> Result<IssuerKey, StoreError> {
    sqlx::query("INSERT INTO issuers (issuer) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(issuer)
        .execute(pool)
        .await
        .map_err(failed)?;
    let id = sqlx::query_scalar("SELECT id FROM issuers WHERE issuer = $1").bind(issuer).fetch_one(pool).await;
    id.map(IssuerKey).map_err(failed)
}

/// In transactions of their own: the keys outlive a batch that fails.
pub(super) async fn client_keys(
    pool: &SqlitePool,
    missing: Vec<(IssuerKey, String)>,
) -> Result<Vec<(IssuerKey, String, ClientKey)>, StoreError> {
    sqlx::query(
        "INSERT INTO clients (issuer, client_id)
         SELECT value->>0, value->>1 FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(Json(&missing))
    .execute(pool)
    .await
    .map_err(failed)?;
    let rows: Vec<NameRow> = sqlx::query_as(
        "SELECT c.id, c.issuer, c.client_id FROM json_each($1) AS t
         JOIN clients c ON c.issuer = t.value->>0 AND c.client_id = t.value->>1",
    )
    .bind(Json(&missing))
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().map(|row| (IssuerKey(row.issuer), row.client_id, ClientKey(row.id))).collect())
}

pub(super) async fn find(
    pool: &SqlitePool,
    issuer: IssuerKey,
    client_id: &str,
) -> Result<Option<ClientKey>, StoreError> {
    let id: Option<i32> = sqlx::query_scalar("SELECT id FROM clients WHERE issuer = $1 AND client_id = $2")
        .bind(issuer.0)
        .bind(client_id)
        .fetch_optional(pool)
        .await
        .map_err(failed)?;
    Ok(id.map(ClientKey))
}

pub(super) async fn client_ids(
    pool: &SqlitePool,
    keys: &[ClientKey],
) -> Result<Vec<(ClientKey, IssuerKey, String)>, StoreError> {
    let rows: Vec<NameRow> =
        sqlx::query_as("SELECT id, issuer, client_id FROM clients WHERE id IN (SELECT value FROM json_each($1))")
            .bind(Json(keys))
            .fetch_all(pool)
            .await
            .map_err(failed)?;
    Ok(rows.into_iter().map(|row| (ClientKey(row.id), IssuerKey(row.issuer), row.client_id)).collect())
}

pub(super) async fn registered(pool: &SqlitePool) -> Result<Vec<ClientRecord>, StoreError> {
    let rows: Vec<ClientRow> = sqlx::query_as(
        "SELECT id, issuer, client_id, metadata, version FROM clients WHERE metadata IS NOT NULL ORDER BY id",
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().map(ClientRow::record).collect())
}

pub(super) async fn put(
    pool: &SqlitePool,
    (issuer, client_id): (IssuerKey, &str),
    metadata: &serde_json::Value,
    if_version: Option<i64>,
) -> Result<Option<ClientRecord>, StoreError> {
    let rows: Vec<ClientRow> = sqlx::query_as(
        "INSERT INTO clients AS c (issuer, client_id, metadata, version)
         SELECT $1, $2, $3, 1
         WHERE coalesce($4, 0) = 0 OR EXISTS (SELECT 1 FROM clients WHERE issuer = $1 AND client_id = $2)
         ON CONFLICT (issuer, client_id) DO UPDATE SET metadata = excluded.metadata, version = c.version + 1
         WHERE $4 IS NULL OR ($4 = 0 AND c.metadata IS NULL) OR ($4 = c.version AND c.metadata IS NOT NULL)
         RETURNING id, issuer, client_id, metadata, version",
    )
    .bind(issuer.0)
    .bind(client_id)
    .bind(Json(metadata))
    .bind(if_version)
    // To its end: it commits after its row, and only then it is known to have.
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().next().map(ClientRow::record))
}

pub(super) async fn delete(
    pool: &SqlitePool,
    (issuer, client_id): (IssuerKey, &str),
    if_version: Option<i64>,
) -> Result<Option<bool>, StoreError> {
    let version: Option<i64> =
        sqlx::query_scalar("SELECT version FROM clients WHERE issuer = $1 AND client_id = $2 AND metadata IS NOT NULL")
            .bind(issuer.0)
            .bind(client_id)
            .fetch_optional(pool)
            .await
            .map_err(failed)?;
    let Some(version) = version else { return Ok(if_version.is_none().then_some(false)) };
    if if_version.is_some_and(|wanted| wanted != version) {
        return Ok(None);
    }
    let done = sqlx::query(
        "UPDATE clients SET metadata = NULL, version = version + 1
         WHERE issuer = $1 AND client_id = $2 AND metadata IS NOT NULL AND ($3 IS NULL OR version = $3)",
    )
    .bind(issuer.0)
    .bind(client_id)
    .bind(if_version)
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok((done.rows_affected() > 0).then_some(true))
}

pub(super) async fn key_first_seen(
    pool: &SqlitePool,
    issuer: IssuerKey,
    kid: &str,
    now: OffsetDateTime,
) -> Result<OffsetDateTime, StoreError> {
    sqlx::query("INSERT INTO keys (issuer, kid, first_seen) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
        .bind(issuer.0)
        .bind(kid)
        .bind(At(now))
        .execute(pool)
        .await
        .map_err(failed)?;
    let seen: At = sqlx::query_scalar("SELECT first_seen FROM keys WHERE issuer = $1 AND kid = $2")
        .bind(issuer.0)
        .bind(kid)
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    Ok(seen.0)
}
