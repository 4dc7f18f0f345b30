//! Who may try what now? Leases by lane, their return, and what gauges show.

use std::time::{Duration, Instant};

use sqlx::FromRow;
use sqlx::postgres::PgPool;
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
pub(super) async fn due_lanes(pool: &PgPool, now: OffsetDateTime) -> Result<Vec<DueLane>, StoreError> {
    let rows: Vec<LaneRow> = sqlx::query_as(
        "WITH RECURSIVE c AS (
           (SELECT client, due_at FROM deliveries WHERE state = 0 ORDER BY client, due_at LIMIT 1)
           UNION ALL SELECT n.client, n.due_at FROM c CROSS JOIN LATERAL
             (SELECT client, due_at FROM deliveries WHERE state = 0 AND client > c.client
              ORDER BY client, due_at LIMIT 1) n)
         SELECT client, due_at FROM c",
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
    pool: &PgPool,
    wants: &[Want],
    (since, now, lasts): (Instant, OffsetDateTime, Duration),
) -> Result<Vec<Leased>, StoreError> {
    let hand_off = HandOff { lease: LeaseId(rand::random::<i64>() & i64::MAX), since, lasts, now };
    let (due, early): (Vec<_>, Vec<_>) = wants.iter().partition(|want| want.which == Which::Due);
    let mut rows = if due.is_empty() { Vec::new() } else { lease_due(pool, &due, &hand_off).await? };
    if !early.is_empty() {
        rows.extend(lease_early(pool, &early, &hand_off).await?);
    }
    Ok(rows.into_iter().map(|row| row.leased(&hand_off)).collect())
}

async fn lease_due(pool: &PgPool, wants: &[&Want], hand_off: &HandOff) -> Result<Vec<LeasedRow>, StoreError> {
    sqlx::query_as(
        "WITH pick AS (SELECT d.id FROM unnest($1::int[], $2::int[]) AS w(client, room) CROSS JOIN LATERAL
           (SELECT id FROM deliveries WHERE client = w.client AND state = 0 AND due_at <= $3
            ORDER BY due_at LIMIT w.room FOR NO KEY UPDATE SKIP LOCKED) d)
         UPDATE deliveries d SET due_at = $4, lease = $5 FROM pick WHERE d.id = pick.id
         RETURNING d.id, d.logout_id, d.issuer, d.client, d.cause, d.tries, d.attempts, d.streak_outcome, d.streak_count,
                   d.streak_since, d.whole_subject, d.bulk, d.sid, d.sub, d.accepted_at, d.armed_at",
    )
    .bind(wants.iter().map(|want| want.client.0).collect::<Vec<_>>())
    .bind(wants.iter().map(|want| want.room.cast_signed()).collect::<Vec<_>>())
    .bind(At(hand_off.now))
    .bind(At(hand_off.now + hand_off.lasts))
    .bind(hand_off.lease.0)
    .fetch_all(pool)
    .await
    .map_err(failed)
}

/// Probes and recovered lanes: also what is not due yet, never what is on a living lease.
async fn lease_early(pool: &PgPool, wants: &[&Want], hand_off: &HandOff) -> Result<Vec<LeasedRow>, StoreError> {
    let before = |want: &&Want| match want.which {
        Which::DueOrTriedBefore(age) => Some(At(hand_off.now - age)),
        Which::Due | Which::Any => None,
    };
    sqlx::query_as(
        "WITH pick AS (SELECT d.id FROM unnest($1::int[], $2::int[], $6::timestamptz[]) AS w(client, room, before)
           CROSS JOIN LATERAL
           (SELECT id FROM deliveries WHERE client = w.client AND state = 0
              AND (due_at <= $3 OR (lease IS NULL AND (w.before IS NULL OR tried_at <= w.before)))
            ORDER BY due_at LIMIT w.room FOR NO KEY UPDATE SKIP LOCKED) d)
         UPDATE deliveries d SET due_at = $4, lease = $5 FROM pick WHERE d.id = pick.id
         RETURNING d.id, d.logout_id, d.issuer, d.client, d.cause, d.tries, d.attempts, d.streak_outcome, d.streak_count,
                   d.streak_since, d.whole_subject, d.bulk, d.sid, d.sub, d.accepted_at, d.armed_at",
    )
    .bind(wants.iter().map(|want| want.client.0).collect::<Vec<_>>())
    .bind(wants.iter().map(|want| want.room.cast_signed()).collect::<Vec<_>>())
    .bind(At(hand_off.now))
    .bind(At(hand_off.now + hand_off.lasts))
    .bind(hand_off.lease.0)
    .bind(wants.iter().map(before).collect::<Vec<_>>())
    .fetch_all(pool)
    .await
    .map_err(failed)
}

pub(super) async fn release(
    pool: &PgPool,
    rows: &[(DeliveryId, LeaseId)],
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "WITH pick AS (SELECT d.id FROM deliveries d JOIN unnest($1::bigint[], $2::bigint[]) AS r(id, lease)
                         ON d.id = r.id AND d.lease = r.lease AND d.state = 0 ORDER BY d.id FOR NO KEY UPDATE OF d)
         UPDATE deliveries d SET due_at = $3, lease = NULL FROM pick WHERE d.id = pick.id",
    )
    .bind(rows.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|(_, lease)| lease.0).collect::<Vec<_>>())
    .bind(At(now))
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

/// Counted as far as this; beyond it, as far as the database's own statistics know.
const COUNTED: i64 = 100_000;

#[derive(FromRow)]
struct OwedRow {
    client: i32,
    armed_at: At,
}

/// One index probe per client for the oldest; for the count, a bounded part of an index.
pub(super) async fn backlog(pool: &PgPool, now: OffsetDateTime) -> Result<Backlog, StoreError> {
    let oldest: Vec<OwedRow> = sqlx::query_as(
        "WITH RECURSIVE c AS (
           (SELECT client, armed_at FROM deliveries WHERE state = 0 ORDER BY client, armed_at LIMIT 1)
           UNION ALL SELECT n.client, n.armed_at FROM c CROSS JOIN LATERAL
             (SELECT client, armed_at FROM deliveries WHERE state = 0 AND client > c.client
              ORDER BY client, armed_at LIMIT 1) n)
         SELECT client, armed_at FROM c",
    )
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    // The index holds what is pending and nothing else; vacuum and analyze count its rows.
    let pending: i64 = sqlx::query_scalar(
        "SELECT CASE WHEN n < $1 THEN n ELSE greatest(n, (SELECT reltuples::bigint FROM pg_class
                                                          WHERE oid = 'deliveries_due'::regclass)) END
         FROM (SELECT count(*) AS n FROM (SELECT FROM deliveries WHERE state = 0
                                          ORDER BY client, due_at LIMIT $1) AS first) AS counted",
    )
    .bind(COUNTED)
    .fetch_one(pool)
    .await
    .map_err(failed)?;
    Ok(Backlog {
        pending: pending.unsigned_abs(),
        oldest: oldest.iter().map(|row| (ClientKey(row.client), span(now, row.armed_at.0))).collect(),
    })
}
