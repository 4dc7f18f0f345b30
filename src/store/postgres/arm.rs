//! What becomes due again, what is never owed, what is forgotten?

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::{failed, read};
use crate::model::{ClientKey, DeliveryId, SkipReason};
use crate::store::at::At;
use crate::store::rows::{code, state};
use crate::store::views::DeliveryFilter;
use crate::store::{Retention, StoreError};

const ARM: &str = "UPDATE deliveries d SET state = 0, why = NULL, due_at = $1, armed_at = $1, lease = NULL, tries = 0,
  streak_outcome = NULL, streak_count = 0, streak_since = NULL, settled_at = NULL
  FROM pick WHERE d.id = pick.id";

pub(super) async fn clients_have_uri(
    pool: &PgPool,
    clients: &[ClientKey],
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let waiting: Vec<_> =
        SkipReason::ALL.iter().filter(|why| why.waits_for_uri()).map(|why| code(&SkipReason::ALL, why)).collect();
    let done = sqlx::query(
        "WITH pick AS (SELECT id FROM deliveries WHERE state > 0 AND client = ANY($2) AND state = $3 AND why = ANY($4)
                       ORDER BY id FOR NO KEY UPDATE)
         UPDATE deliveries d SET state = 0, why = NULL, due_at = $1, armed_at = $1, lease = NULL, tries = 0,
           streak_outcome = NULL, streak_count = 0, streak_since = NULL, settled_at = NULL
         FROM pick WHERE d.id = pick.id",
    )
    .bind(At(now))
    .bind(clients.iter().map(|client| client.0).collect::<Vec<_>>())
    .bind(state::SKIPPED)
    .bind(waiting)
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn skip_clients(
    pool: &PgPool,
    clients: &[ClientKey],
    why: SkipReason,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "WITH pick AS (SELECT id FROM deliveries WHERE client = ANY($1) AND state = 0 AND (lease IS NULL OR due_at <= $2)
                       ORDER BY id FOR NO KEY UPDATE)
         UPDATE deliveries d SET state = $3, why = $4, lease = NULL, settled_at = $2 FROM pick WHERE d.id = pick.id",
    )
    .bind(clients.iter().map(|client| client.0).collect::<Vec<_>>())
    .bind(At(now))
    .bind(state::SKIPPED)
    .bind(code(&SkipReason::ALL, &why))
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn redeliver(pool: &PgPool, id: DeliveryId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("WITH pick AS (SELECT id FROM deliveries WHERE id = ");
    query.push_bind(id.0).push(" AND state = 2 FOR NO KEY UPDATE) ");
    Ok(arm(pool, query, now).await? > 0)
}

pub(super) async fn redeliver_where(
    pool: &PgPool,
    filter: &DeliveryFilter,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let mut query = QueryBuilder::<Postgres>::new("WITH pick AS (SELECT d.id FROM deliveries d WHERE d.state = 2");
    read::push_delivery_filter(&mut query, filter);
    query.push(" ORDER BY d.id FOR NO KEY UPDATE) ");
    arm(pool, query, now).await
}

async fn arm(pool: &PgPool, mut query: QueryBuilder<Postgres>, now: OffsetDateTime) -> Result<u64, StoreError> {
    let mut parts = ARM.split("$1");
    query.push(parts.next().unwrap_or_default());
    for part in parts {
        query.push_bind(At(now)).push(part);
    }
    Ok(query.build().execute(pool).await.map_err(failed)?.rows_affected())
}

pub(super) async fn prune(pool: &PgPool, keep: &Retention, limit: u32, now: OffsetDateTime) -> Result<u64, StoreError> {
    let limit = i64::from(limit);
    let mut gone = prune_sessions(pool, keep, limit, now).await?;
    for (statement, age) in statements(keep) {
        let done = sqlx::query(statement).bind(At(now - age)).bind(limit).execute(pool).await.map_err(failed)?;
        gone += done.rows_affected();
    }
    Ok(gone)
}

/// What has expired, unless it is to be logged out for that and was not yet.
async fn prune_sessions(pool: &PgPool, keep: &Retention, limit: i64, now: OffsetDateTime) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM sessions WHERE (issuer, session_id, client, sid) IN
           (SELECT issuer, session_id, client, sid FROM sessions
            WHERE expires_at < $1 AND (held OR issuer <> ALL($3))
            ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(At(now))
    .bind(limit)
    .bind(keep.until_logged_out.iter().map(|issuer| issuer.0).collect::<Vec<_>>())
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

/// Each deletes at most `$2` rows older than `$1`, and waits for nobody.
fn statements(keep: &Retention) -> [(&'static str, Duration); 6] {
    [
        (
            "DELETE FROM attempts WHERE delivery_id IN (SELECT id FROM delivered WHERE settled_at < $1 ORDER BY id LIMIT $2)",
            keep.delivered,
        ),
        (
            "DELETE FROM delivered WHERE id IN
               (SELECT id FROM (SELECT id, settled_at FROM delivered ORDER BY id LIMIT $2) o WHERE settled_at < $1)",
            keep.delivered,
        ),
        (
            "DELETE FROM deliveries WHERE id IN
               (SELECT id FROM deliveries WHERE state > 0 AND settled_at < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)",
            keep.abandoned,
        ),
        (
            "DELETE FROM logouts WHERE id IN
               (SELECT l.id FROM logouts l WHERE l.accepted_at < $1
                  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.logout_id = l.id)
                  AND NOT EXISTS (SELECT 1 FROM expansions e WHERE e.logout_id = l.id)
                ORDER BY l.id LIMIT $2 FOR UPDATE SKIP LOCKED)",
            keep.logouts,
        ),
        (
            "DELETE FROM closings WHERE (issuer, session_id, client) IN
               (SELECT issuer, session_id, client FROM closings WHERE closed_at < $1
                ORDER BY closed_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            keep.ended_sessions,
        ),
        (
            "DELETE FROM provider_sessions WHERE (issuer, session_id) IN
               (SELECT issuer, session_id FROM provider_sessions p WHERE touched_at < $1
                  AND NOT EXISTS (SELECT 1 FROM sessions o WHERE o.issuer = p.issuer AND o.session_id = p.session_id)
                  AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.logout_id = p.logout_id AND d.state = 0)
                LIMIT $2 FOR UPDATE SKIP LOCKED)",
            keep.ended_sessions,
        ),
    ]
}
