//! What is forgotten, and how little at a time? Retention, in steps that wait for nobody.
//!
//! Each statement is a transaction of its own. It looks at no more than `limit` rows, those that an
//! index says are oldest, and passes over what somebody holds: it never waits, so that it is in no
//! deadlock, and who waits for it waits for a few milliseconds. What is old and still needed is put
//! off by a day: it would be looked at in vain every time, and hide what comes after it.

use std::time::Duration;

use sqlx::postgres::PgPool;
use time::OffsetDateTime;

use super::failed;
use crate::store::at::At;
use crate::store::{Retention, StoreError};

pub(super) async fn prune(pool: &PgPool, keep: &Retention, limit: u32, now: OffsetDateTime) -> Result<u64, StoreError> {
    let limit = i64::from(limit);
    let mut gone = prune_sessions(pool, keep, limit, now).await?;
    gone += prune_attempts(pool, keep, limit, now).await?;
    for (statement, age) in statements(keep) {
        let done = sqlx::query(statement).bind(At(now - age)).bind(limit).execute(pool).await.map_err(failed)?;
        gone += done.rows_affected();
    }
    Ok(gone)
}

/// What has expired, unless it is to be logged out for that and was not yet.
async fn prune_sessions(pool: &PgPool, keep: &Retention, limit: i64, now: OffsetDateTime) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM sessions WHERE ctid = ANY (ARRAY(
           SELECT old.at FROM (
             SELECT o.at FROM issuers i CROSS JOIN LATERAL
               (SELECT ctid AS at FROM sessions WHERE issuer = i.id AND expires_at < $1
                ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) o
             WHERE i.id <> ALL ($3)
             UNION ALL
             SELECT o.at FROM (SELECT ctid AS at FROM sessions WHERE held AND expires_at < $1
                               ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) o) AS old LIMIT $2))",
    )
    .bind(At(now))
    .bind(limit)
    .bind(keep.until_logged_out.iter().map(|issuer| issuer.0).collect::<Vec<_>>())
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

/// Those of deliveries that go next, which wait for it.
async fn prune_attempts(pool: &PgPool, keep: &Retention, limit: i64, now: OffsetDateTime) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM attempts WHERE ctid = ANY (ARRAY(
           SELECT a.at FROM (
             (SELECT id FROM delivered WHERE settled_at < $1 ORDER BY settled_at LIMIT $3)
             UNION ALL
             (SELECT id FROM deliveries WHERE state > 0 AND settled_at < $2 ORDER BY settled_at LIMIT $3)) AS old
           CROSS JOIN LATERAL (SELECT ctid AS at FROM attempts WHERE delivery_id = old.id
                               LIMIT $3 FOR UPDATE SKIP LOCKED) a LIMIT $3))",
    )
    .bind(At(now - keep.delivered))
    .bind(At(now - keep.abandoned))
    .bind(limit)
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

/// Each looks at no more than `$2` rows older than `$1`. Whether a row is needed is asked row by row
/// (`LIMIT 1`): with EXISTS the planner may read the whole other table instead.
fn statements(keep: &Retention) -> [(&'static str, Duration); 7] {
    [
        (
            "DELETE FROM delivered WHERE ctid = ANY (ARRAY(
               SELECT old.at FROM (SELECT ctid AS at, id FROM delivered WHERE settled_at < $1
                                   ORDER BY settled_at LIMIT $2 FOR UPDATE SKIP LOCKED) old
               WHERE (SELECT 1 FROM attempts WHERE delivery_id = old.id LIMIT 1) IS NULL))",
            keep.delivered,
        ),
        (
            "DELETE FROM deliveries WHERE ctid = ANY (ARRAY(
               SELECT old.at FROM (SELECT ctid AS at, id FROM deliveries WHERE state > 0 AND settled_at < $1
                                   ORDER BY settled_at LIMIT $2 FOR UPDATE SKIP LOCKED) old
               WHERE (SELECT 1 FROM attempts WHERE delivery_id = old.id LIMIT 1) IS NULL))",
            keep.abandoned,
        ),
        (
            "DELETE FROM closings WHERE ctid = ANY (ARRAY(
               SELECT ctid FROM closings WHERE closed_at < $1 ORDER BY closed_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
            keep.ended_sessions,
        ),
        (
            "UPDATE provider_sessions SET touched_at = $1 + interval '1 day' WHERE ctid = ANY (ARRAY(
               SELECT old.at FROM (SELECT ctid AS at, issuer, session_id, ended_at, logout_id FROM provider_sessions
                                   WHERE touched_at < $1 ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED) old
               WHERE old.ended_at IS NOT NULL
                 AND ((SELECT 1 FROM sessions WHERE issuer = old.issuer AND session_id = old.session_id LIMIT 1)
                        IS NOT NULL
                   OR (SELECT 1 FROM deliveries WHERE logout_id = old.logout_id AND state = 0 LIMIT 1) IS NOT NULL)))",
            keep.ended_sessions,
        ),
        (
            "DELETE FROM provider_sessions WHERE ctid = ANY (ARRAY(
               SELECT old.at FROM (SELECT ctid AS at, issuer, session_id, ended_at, logout_id FROM provider_sessions
                                   WHERE touched_at < $1 ORDER BY touched_at LIMIT $2 FOR UPDATE SKIP LOCKED) old
               WHERE old.ended_at IS NULL
                  OR ((SELECT 1 FROM sessions WHERE issuer = old.issuer AND session_id = old.session_id LIMIT 1)
                        IS NULL
                  AND (SELECT 1 FROM deliveries WHERE logout_id = old.logout_id AND state = 0 LIMIT 1) IS NULL)))",
            keep.ended_sessions,
        ),
        (
            "UPDATE logouts SET forget_from = $1 + interval '1 day' WHERE ctid = ANY (ARRAY(
               SELECT old.at FROM (SELECT ctid AS at, id, issuer, key FROM logouts WHERE forget_from < $1
                                   ORDER BY forget_from LIMIT $2 FOR UPDATE SKIP LOCKED) old
               WHERE (SELECT 1 FROM deliveries WHERE logout_id = old.id LIMIT 1) IS NOT NULL
                  OR (SELECT 1 FROM expansions WHERE logout_id = old.id LIMIT 1) IS NOT NULL
                  OR (SELECT logout_id FROM provider_sessions
                      WHERE issuer = old.issuer AND session_id = old.key LIMIT 1) = old.id))",
            keep.logouts,
        ),
        (
            "DELETE FROM logouts WHERE ctid = ANY (ARRAY(
               SELECT old.at FROM (SELECT ctid AS at, id, issuer, key FROM logouts WHERE forget_from < $1
                                   ORDER BY forget_from LIMIT $2 FOR UPDATE SKIP LOCKED) old
               WHERE (SELECT 1 FROM deliveries WHERE logout_id = old.id LIMIT 1) IS NULL
                 AND (SELECT 1 FROM expansions WHERE logout_id = old.id LIMIT 1) IS NULL
                 AND (SELECT logout_id FROM provider_sessions
                      WHERE issuer = old.issuer AND session_id = old.key LIMIT 1) IS DISTINCT FROM old.id))",
            keep.logouts,
        ),
    ]
}
