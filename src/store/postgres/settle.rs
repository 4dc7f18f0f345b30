//! What came of it? Outcomes become rows, many in one transaction.

use std::collections::HashSet;

use sqlx::postgres::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::failed;
use crate::model::{AbandonReason, DeliveryId, Verdict};
use crate::store::at::At;
use crate::store::rows::{code, state};
use crate::store::{Settled, Settlement, StoreError};

pub(super) async fn settle(pool: &PgPool, done: &[Settlement], now: OffsetDateTime) -> Result<Settled, StoreError> {
    let (delivered, rest): (Vec<_>, Vec<_>) = done.iter().partition(|s| s.verdict == Verdict::Delivered);
    let mut tx = pool.begin().await.map_err(failed)?;
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
    tx: &mut PgConnection,
    done: &[&Settlement],
    now: OffsetDateTime,
) -> Result<Vec<DeliveryId>, StoreError> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "WITH s AS (SELECT DISTINCT ON (id) * FROM unnest($1::bigint[], $2::smallint[], $3::uuid[], $4::text[],
                      $5::timestamptz[], $6::bigint[], $7::text[]) AS s(id, status, jti, kid, started_at, took_us, detail)
                    ORDER BY id),
              pick AS (SELECT d.id FROM deliveries d JOIN s USING (id) WHERE d.state = 0 ORDER BY d.id FOR UPDATE OF d),
              g AS (DELETE FROM deliveries d USING pick WHERE d.id = pick.id
                    RETURNING d.id, d.logout_id, d.issuer, d.client, d.attempts, d.whole_subject, d.session_id, d.sid,
                              d.sub, d.created_at)
         INSERT INTO delivered (id, logout_id, issuer, client, attempts, whole_subject, session_id, sid, sub, created_at,
                                settled_at, status, jti, kid, started_at, took_us, detail)
         SELECT g.id, g.logout_id, g.issuer, g.client, g.attempts + 1, g.whole_subject, g.session_id, g.sid, g.sub,
                g.created_at, $8, s.status, s.jti, s.kid, s.started_at, s.took_us, s.detail
         FROM g JOIN s USING (id) RETURNING id",
    )
    .bind(done.iter().map(|s| s.delivery.0).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.status.map(u16::cast_signed)).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.jti).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.kid.as_deref()).collect::<Vec<_>>())
    .bind(done.iter().map(|s| At(s.attempt.started_at)).collect::<Vec<_>>())
    .bind(done.iter().map(|s| micros(s)).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.detail.as_str()).collect::<Vec<_>>())
    .bind(At(now))
    .fetch_all(tx)
    .await
    .map_err(failed)?;
    Ok(ids.into_iter().map(DeliveryId).collect())
}

/// Retry or abandon, fenced by the lease.
async fn postpone(
    tx: &mut PgConnection,
    done: &[&Settlement],
    now: OffsetDateTime,
) -> Result<Vec<DeliveryId>, StoreError> {
    let (due, whys): (Vec<_>, Vec<_>) = done.iter().map(|s| due_or_why(s, now)).unzip();
    let ids: Vec<i64> = sqlx::query_scalar(
        "WITH s AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::smallint[], $5::timestamptz[],
                      $6::smallint[]) AS s(id, lease, outcome, status, due_at, why)),
              pick AS (SELECT d.id FROM deliveries d JOIN s ON d.id = s.id AND d.lease = s.lease AND d.state = 0
                       ORDER BY d.id FOR NO KEY UPDATE OF d)
         UPDATE deliveries d SET
           state = CASE WHEN s.why IS NULL THEN 0 ELSE $8 END, why = s.why, due_at = s.due_at, lease = NULL,
           tries = least(d.tries + 1, 32000), attempts = least(d.attempts + 1, 32000),
           streak_count = CASE WHEN d.streak_outcome = s.outcome THEN least(d.streak_count + 1, 32000) ELSE 1 END,
           streak_since = CASE WHEN d.streak_outcome = s.outcome THEN d.streak_since ELSE $7 END,
           streak_outcome = s.outcome, last_outcome = s.outcome, last_status = s.status, tried_at = $7,
           settled_at = CASE WHEN s.why IS NULL THEN NULL ELSE $7 END
         FROM s JOIN pick USING (id) WHERE d.id = s.id AND d.lease = s.lease RETURNING d.id",
    )
    .bind(done.iter().map(|s| s.delivery.0).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.lease.0).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.outcome.code()).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.status.map(u16::cast_signed)).collect::<Vec<_>>())
    .bind(due)
    .bind(whys)
    .bind(At(now))
    .bind(state::ABANDONED)
    .fetch_all(tx)
    .await
    .map_err(failed)?;
    Ok(ids.into_iter().map(DeliveryId).collect())
}

async fn note_attempts(tx: &mut PgConnection, done: &[&Settlement]) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO attempts (delivery_id, number, lease, started_at, took_us, outcome, status, jti, kid, detail)
         SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::smallint[],
           $7::smallint[], $8::uuid[], $9::text[], $10::text[]) AS t(d, n, l, at, took, o, st, jti, kid, detail)
         ORDER BY d, n, l ON CONFLICT DO NOTHING",
    )
    .bind(done.iter().map(|s| s.delivery.0).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.number.cast_signed()).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.lease.0).collect::<Vec<_>>())
    .bind(done.iter().map(|s| At(s.attempt.started_at)).collect::<Vec<_>>())
    .bind(done.iter().map(|s| micros(s)).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.outcome.code()).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.status.map(u16::cast_signed)).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.jti).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.kid.as_deref()).collect::<Vec<_>>())
    .bind(done.iter().map(|s| s.attempt.detail.as_str()).collect::<Vec<_>>())
    .execute(tx)
    .await
    .map(drop)
    .map_err(failed)
}

fn due_or_why(settlement: &Settlement, now: OffsetDateTime) -> (At, Option<i16>) {
    match settlement.verdict {
        Verdict::RetryIn(delay) => (At(now + delay), None),
        Verdict::Abandon(why) => (At(now), Some(code(&AbandonReason::ALL, &why))),
        Verdict::Delivered => (At(now), None),
    }
}

fn micros(settlement: &Settlement) -> i64 {
    i64::try_from(settlement.attempt.took.as_micros()).unwrap_or(i64::MAX)
}
