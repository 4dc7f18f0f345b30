//! What becomes due again, and what is never owed?

use sqlx::sqlite::SqlitePool;
use sqlx::types::Json;
use sqlx::{QueryBuilder, Sqlite};
use time::OffsetDateTime;

use super::{failed, read};
use crate::model::{ClientKey, DeliveryId, SkipReason};
use crate::store::StoreError;
use crate::store::at::At;
use crate::store::rows::{code, state};
use crate::store::views::DeliveryFilter;

const ARM: &str =
    "UPDATE deliveries AS d SET state = 0, why = NULL, due_at = $1, armed_at = $1, lease = NULL, tries = 0,
  streak_outcome = NULL, streak_count = 0, streak_since = NULL, settled_at = NULL
  FROM pick WHERE d.id = pick.id";

pub(super) async fn clients_have_uri(
    pool: &SqlitePool,
    clients: &[ClientKey],
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let waiting: Vec<_> =
        SkipReason::ALL.iter().filter(|why| why.waits_for_uri()).map(|why| code(&SkipReason::ALL, why)).collect();
    let done = sqlx::query(
        "WITH pick AS (SELECT id FROM deliveries WHERE state > 0 AND client IN (SELECT value FROM json_each($2)) AND state = $3 AND why IN (SELECT value FROM json_each($4))
                       ORDER BY id)
         UPDATE deliveries AS d SET state = 0, why = NULL, due_at = $1, armed_at = $1, lease = NULL, tries = 0,
           streak_outcome = NULL, streak_count = 0, streak_since = NULL, settled_at = NULL
         FROM pick WHERE d.id = pick.id",
    )
    .bind(At(now))
    .bind(Json(clients))
    .bind(state::SKIPPED)
    .bind(Json(waiting))
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn skip_clients(
    pool: &SqlitePool,
    clients: &[ClientKey],
    why: SkipReason,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "WITH pick AS (SELECT id FROM deliveries WHERE client IN (SELECT value FROM json_each($1)) AND state = 0 AND (lease IS NULL OR due_at <= $2)
                       ORDER BY id)
         UPDATE deliveries AS d SET state = $3, why = $4, lease = NULL, settled_at = $2 FROM pick WHERE d.id = pick.id",
    )
    .bind(Json(clients))
    .bind(At(now))
    .bind(state::SKIPPED)
    .bind(code(&SkipReason::ALL, &why))
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

pub(super) async fn redeliver(pool: &SqlitePool, id: DeliveryId, now: OffsetDateTime) -> Result<bool, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("WITH pick AS (SELECT id FROM deliveries WHERE id = ");
    query.push_bind(id.0).push(" AND state = 2) ");
    Ok(arm(pool, query, now).await? > 0)
}

pub(super) async fn redeliver_where(
    pool: &SqlitePool,
    filter: &DeliveryFilter,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let mut query = QueryBuilder::<Sqlite>::new("WITH pick AS (SELECT d.id FROM deliveries d WHERE d.state = 2");
    read::push_delivery_filter(&mut query, filter);
    query.push(" ORDER BY d.id) ");
    arm(pool, query, now).await
}

async fn arm(pool: &SqlitePool, mut query: QueryBuilder<Sqlite>, now: OffsetDateTime) -> Result<u64, StoreError> {
    let mut parts = ARM.split("$1");
    query.push(parts.next().unwrap_or_default());
    for part in parts {
        query.push_bind(At(now)).push(part);
    }
    Ok(query.build().execute(pool).await.map_err(failed)?.rows_affected())
}
