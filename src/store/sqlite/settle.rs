//! What came of it? Outcomes become rows, many in one transaction.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::types::Json;
use time::OffsetDateTime;

use super::failed;
use crate::model::{AbandonReason, DeliveryId, Verdict};
use crate::store::at::At;
use crate::store::rows::{code, state};
use crate::store::{Settled, Settlement, StoreError};

pub(super) async fn settle(pool: &SqlitePool, done: &[Settlement], now: OffsetDateTime) -> Result<Settled, StoreError> {
    let (delivered, rest): (Vec<_>, Vec<_>) = done.iter().partition(|s| s.verdict == Verdict::Delivered);
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let mut settled = Settled::default();
    if !rest.is_empty() {
        note_attempts(&mut tx, &rest).await?;
        settled.applied = postpone(&mut tx, &rest, now).await?;
    }
    if !delivered.is_empty() {
        settled.delivered = deliver(&mut tx, &delivered, now).await?;
    }
    tx.commit().await.map_err(failed)?;
    let kept: HashSet<_> = settled.delivered.iter().chain(&settled.applied).copied().collect();
    settled.lost = done.iter().map(|s| s.delivery).filter(|id| !kept.contains(id)).collect();
    Ok(settled)
}

/// A success counts although its lease ran out: the client has it.
async fn deliver(
    tx: &mut SqliteConnection,
    done: &[&Settlement],
    now: OffsetDateTime,
) -> Result<Vec<DeliveryId>, StoreError> {
    let rows: Vec<Value> = done.iter().map(|s| attempt(s)).collect();
    let ids: Vec<i64> = sqlx::query_scalar(
        "INSERT INTO delivered (id, logout_id, issuer, client, attempts, whole_subject, session_id, sid, sub, created_at,
                                settled_at, status, jti, kid, started_at, took_us, detail)
         SELECT d.id, d.logout_id, d.issuer, d.client, d.attempts + 1, d.whole_subject, d.session_id, d.sid, d.sub,
                d.created_at, $2, s.value->>'status', unhex(s.value->>'jti'), s.value->>'kid', s.value->>'at',
                s.value->>'took', s.value->>'detail'
         FROM json_each($1) AS s JOIN deliveries d ON d.id = s.value->>'id' AND d.state = 0
         WHERE true ON CONFLICT (id) DO NOTHING RETURNING id",
    )
    .bind(Json(rows))
    .bind(At(now))
    .fetch_all(&mut *tx)
    .await
    .map_err(failed)?;
    sqlx::query("DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each($1))")
        .bind(Json(&ids))
        .execute(tx)
        .await
        .map_err(failed)?;
    Ok(ids.into_iter().map(DeliveryId).collect())
}

/// Retry or abandon, fenced by the lease.
async fn postpone(
    tx: &mut SqliteConnection,
    done: &[&Settlement],
    now: OffsetDateTime,
) -> Result<Vec<DeliveryId>, StoreError> {
    let row = |s: &&Settlement| {
        let (due, why) = due_or_why(s, now);
        let attempt = &s.attempt;
        json!({"id": s.delivery, "lease": s.lease, "outcome": attempt.outcome.code(), "status": attempt.status,
               "due": due, "why": why})
    };
    let rows: Vec<Value> = done.iter().map(row).collect();
    let ids: Vec<i64> = sqlx::query_scalar(
        "UPDATE deliveries AS d SET
           state = CASE WHEN s.why IS NULL THEN 0 ELSE $3 END, why = s.why, due_at = s.due_at, lease = NULL,
           tries = min(d.tries + 1, 32000), attempts = min(d.attempts + 1, 32000),
           streak_count = CASE WHEN d.streak_outcome = s.outcome THEN min(d.streak_count + 1, 32000) ELSE 1 END,
           streak_since = CASE WHEN d.streak_outcome = s.outcome THEN d.streak_since ELSE $2 END,
           streak_outcome = s.outcome, last_outcome = s.outcome, last_status = s.status, tried_at = $2,
           settled_at = CASE WHEN s.why IS NULL THEN NULL ELSE $2 END
         FROM (SELECT value->>'id' AS id, value->>'lease' AS lease, value->>'outcome' AS outcome,
                      value->>'status' AS status, value->>'due' AS due_at, value->>'why' AS why FROM json_each($1)) AS s
         WHERE d.id = s.id AND d.lease = s.lease AND d.state = 0 RETURNING id",
    )
    .bind(Json(rows))
    .bind(At(now))
    .bind(state::ABANDONED)
    .fetch_all(tx)
    .await
    .map_err(failed)?;
    Ok(ids.into_iter().map(DeliveryId).collect())
}

async fn note_attempts(tx: &mut SqliteConnection, done: &[&Settlement]) -> Result<(), StoreError> {
    let rows: Vec<Value> = done.iter().map(|s| attempt(s)).collect();
    sqlx::query(
        "INSERT INTO attempts (delivery_id, number, lease, started_at, took_us, outcome, status, jti, kid, detail)
         SELECT value->>'id', value->>'number', value->>'lease', value->>'at', value->>'took', value->>'outcome',
                value->>'status', unhex(value->>'jti'), value->>'kid', value->>'detail'
         FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(Json(rows))
    .execute(tx)
    .await
    .map(drop)
    .map_err(failed)
}

fn attempt(s: &Settlement) -> Value {
    let attempt = &s.attempt;
    json!({"id": s.delivery, "number": s.number, "lease": s.lease, "at": At(attempt.started_at),
           "took": i64::try_from(attempt.took.as_micros()).unwrap_or(i64::MAX), "outcome": attempt.outcome.code(),
           "status": attempt.status, "jti": attempt.jti.map(|jti| jti.simple().to_string()), "kid": attempt.kid,
           "detail": attempt.detail})
}

fn due_or_why(settlement: &Settlement, now: OffsetDateTime) -> (At, Option<i16>) {
    match settlement.verdict {
        Verdict::RetryIn(delay) => (At(now + delay), None),
        Verdict::Abandon(why) => (At(now), Some(code(&AbandonReason::ALL, &why))),
        Verdict::Delivered => (At(now), None),
    }
}
