//! Who may try what now? Leases by lane, their return, and what gauges show.

use std::time::{Duration, Instant};

use sqlx::FromRow;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::types::Json;
use time::OffsetDateTime;

use super::failed;
use crate::model::{ClientKey, DeliveryId, LeaseId, Leased};
use crate::store::at::At;
use crate::store::rows::{HandOff, LeasedRow, span};
use crate::store::{Backlog, DueLane, StoreError, Want, Which};

#[derive(FromRow)]
struct LaneRow {
    client: i32,
    due_at: At,
}

/// One index probe per client, however many deliveries it is owed.
pub(super) async fn due_lanes(pool: &SqlitePool, now: OffsetDateTime) -> Result<Vec<DueLane>, StoreError> {
    let rows: Vec<LaneRow> = sqlx::query_as(
        "WITH RECURSIVE c(client) AS (
           SELECT min(client) FROM deliveries WHERE state = 0
           UNION ALL SELECT (SELECT min(d.client) FROM deliveries d WHERE d.state = 0 AND d.client > c.client)
             FROM c WHERE c.client IS NOT NULL)
         SELECT client, (SELECT min(d.due_at) FROM deliveries d WHERE d.state = 0 AND d.client = c.client) AS due_at
         FROM c WHERE client IS NOT NULL",
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    let lane = |row: LaneRow| DueLane {
        client: ClientKey(row.client),
        due_for: (row.due_at.0 <= now).then(|| span(now, row.due_at.0)),
    };
    Ok(rows.into_iter().map(lane).collect())
}

pub(super) async fn lease(
    pool: &SqlitePool,
    wants: &[Want],
    (since, now, lasts): (Instant, OffsetDateTime, Duration),
) -> Result<Vec<Leased>, StoreError> {
    let hand_off = HandOff { lease: LeaseId(rand::random::<i64>() & i64::MAX), since, lasts, now };
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let mut rows = Vec::new();
    for want in wants {
        rows.extend(lease_lane(&mut tx, want, &hand_off).await?);
    }
    tx.commit().await.map_err(failed)?;
    Ok(rows.into_iter().map(|row| row.leased(&hand_off)).collect())
}

async fn lease_lane(tx: &mut SqliteConnection, want: &Want, hand_off: &HandOff) -> Result<Vec<LeasedRow>, StoreError> {
    let pick = match want.which {
        Which::Due => {
            "UPDATE deliveries SET due_at = $4, lease = $5 WHERE id IN
               (SELECT id FROM deliveries WHERE client = $1 AND state = 0 AND due_at <= $3 ORDER BY due_at LIMIT $2)
             RETURNING id, logout_id, issuer, client, cause, tries, attempts, streak_outcome, streak_count, streak_since,
                       whole_subject, bulk, sid, sub, accepted_at, armed_at"
        }
        // Probes and recovered lanes: also what is not due yet, never what is on a living lease.
        Which::Any | Which::DueOrTriedBefore(_) => {
            "UPDATE deliveries SET due_at = $4, lease = $5 WHERE id IN
               (SELECT id FROM deliveries WHERE client = $1 AND state = 0
                  AND (due_at <= $3 OR (lease IS NULL AND ($6 IS NULL OR tried_at <= $6))) ORDER BY due_at LIMIT $2)
             RETURNING id, logout_id, issuer, client, cause, tries, attempts, streak_outcome, streak_count, streak_since,
                       whole_subject, bulk, sid, sub, accepted_at, armed_at"
        }
    };
    let query = sqlx::query_as(pick)
        .bind(want.client.0)
        .bind(want.room)
        .bind(At(hand_off.now))
        .bind(At(hand_off.now + hand_off.lasts))
        .bind(hand_off.lease.0);
    let query = match want.which {
        Which::Due => query,
        Which::Any => query.bind(None::<At>),
        Which::DueOrTriedBefore(age) => query.bind(Some(At(hand_off.now - age))),
    };
    query.fetch_all(tx).await.map_err(failed)
}

pub(super) async fn release(
    pool: &SqlitePool,
    rows: &[(DeliveryId, LeaseId)],
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE deliveries SET due_at = $2, lease = NULL
         FROM (SELECT value->>0 AS id, value->>1 AS lease FROM json_each($1)) AS r
         WHERE deliveries.id = r.id AND deliveries.lease = r.lease AND state = 0",
    )
    .bind(Json(rows))
    .bind(At(now))
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

#[derive(FromRow)]
struct OwedRow {
    client: i32,
    armed_at: At,
}

/// One index probe per client for the oldest; for the count, an index alone.
pub(super) async fn backlog(pool: &SqlitePool, now: OffsetDateTime) -> Result<Backlog, StoreError> {
    let oldest: Vec<OwedRow> = sqlx::query_as(
        "WITH RECURSIVE c(client) AS (
           SELECT min(client) FROM deliveries WHERE state = 0
           UNION ALL SELECT (SELECT min(d.client) FROM deliveries d WHERE d.state = 0 AND d.client > c.client)
             FROM c WHERE c.client IS NOT NULL)
         SELECT client, (SELECT min(d.armed_at) FROM deliveries d WHERE d.state = 0 AND d.client = c.client) AS armed_at
         FROM c WHERE client IS NOT NULL",
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    let pending: i64 =
        sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE state = 0").fetch_one(pool).await.map_err(failed)?;
    Ok(Backlog {
        pending: pending.unsigned_abs(),
        oldest: oldest.iter().map(|row| (ClientKey(row.client), span(now, row.armed_at.0))).collect(),
    })
}
