//! What is forgotten, and how little at a time? Retention, in steps that wait for nobody.
//!
//! Each statement is a transaction of its own. It looks at no more than `limit` rows, those that an
//! index says are oldest, and lets others write after it. What is old and still needed is put off by
//! a day: it would be looked at in vain every time, and hide what comes after it. The pages that
//! become free are written again; the file does not shrink.

use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::failed;
use crate::store::at::At;
use crate::store::{Retention, StoreError};

pub(super) async fn prune(
    pool: &SqlitePool,
    keep: &Retention,
    limit: u32,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
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
async fn prune_sessions(
    pool: &SqlitePool,
    keep: &Retention,
    limit: i64,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let mut gone = 0;
    let issuers: Vec<i32> =
        sqlx::query_scalar("SELECT id FROM issuers WHERE id NOT IN (SELECT value FROM json_each($1))")
            .bind(Json(&keep.until_logged_out))
            .fetch_all(pool)
            .await
            .map_err(failed)?;
    for issuer in issuers.into_iter().map(Some).chain([None]) {
        let done = sqlx::query(match issuer {
            Some(_) => {
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE issuer = $3 AND expires_at < $1
                                                   ORDER BY expires_at LIMIT $2)"
            }
            None => {
                "DELETE FROM sessions WHERE $3 IS NULL AND id IN
                   (SELECT id FROM sessions WHERE held AND expires_at < $1 ORDER BY expires_at LIMIT $2)"
            }
        });
        let left = limit.saturating_sub_unsigned(gone);
        let done = done.bind(At(now)).bind(left).bind(issuer).execute(pool).await.map_err(failed)?;
        gone += done.rows_affected();
    }
    Ok(gone)
}

/// Those of deliveries that go next, which wait for it.
async fn prune_attempts(
    pool: &SqlitePool,
    keep: &Retention,
    limit: i64,
    now: OffsetDateTime,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM attempts WHERE rowid IN
           (SELECT a.rowid FROM (
              SELECT id FROM (SELECT id FROM delivered WHERE settled_at < $1 ORDER BY settled_at LIMIT $3)
              UNION ALL
              SELECT id FROM (SELECT id FROM deliveries WHERE state > 0 AND settled_at < $2
                              ORDER BY settled_at LIMIT $3)) AS old
            CROSS JOIN attempts a ON a.delivery_id = old.id LIMIT $3)",
    )
    .bind(At(now - keep.delivered))
    .bind(At(now - keep.abandoned))
    .bind(limit)
    .execute(pool)
    .await
    .map_err(failed)?;
    Ok(done.rows_affected())
}

/// Each looks at no more than `$2` rows older than `$1`.
fn statements(keep: &Retention) -> [(&'static str, Duration); 7] {
    [
        (
            "DELETE FROM delivered WHERE id IN
               (SELECT old.id FROM (SELECT id FROM delivered WHERE settled_at < $1 ORDER BY settled_at LIMIT $2) AS old
                WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE delivery_id = old.id))",
            keep.delivered,
        ),
        (
            "DELETE FROM deliveries WHERE id IN
               (SELECT old.id FROM (SELECT id FROM deliveries WHERE state > 0 AND settled_at < $1
                                    ORDER BY settled_at LIMIT $2) AS old
                WHERE NOT EXISTS (SELECT 1 FROM attempts WHERE delivery_id = old.id))",
            keep.abandoned,
        ),
        (
            "DELETE FROM closings WHERE rowid IN
               (SELECT rowid FROM closings WHERE closed_at < $1 ORDER BY closed_at LIMIT $2)",
            keep.ended_sessions,
        ),
        (
            "UPDATE provider_sessions SET touched_at = $1 + 86400000000 WHERE rowid IN
               (SELECT old.at FROM (SELECT rowid AS at, issuer, session_id, ended_at, logout_id FROM provider_sessions
                                    WHERE touched_at < $1 ORDER BY touched_at LIMIT $2) AS old
                WHERE old.ended_at IS NOT NULL
                  AND (EXISTS (SELECT 1 FROM sessions WHERE issuer = old.issuer AND session_id = old.session_id)
                    OR EXISTS (SELECT 1 FROM deliveries WHERE logout_id = old.logout_id AND state = 0)))",
            keep.ended_sessions,
        ),
        (
            "DELETE FROM provider_sessions WHERE rowid IN
               (SELECT old.at FROM (SELECT rowid AS at, issuer, session_id, ended_at, logout_id FROM provider_sessions
                                    WHERE touched_at < $1 ORDER BY touched_at LIMIT $2) AS old
                WHERE old.ended_at IS NULL
                   OR (NOT EXISTS (SELECT 1 FROM sessions WHERE issuer = old.issuer AND session_id = old.session_id)
                   AND NOT EXISTS (SELECT 1 FROM deliveries WHERE logout_id = old.logout_id AND state = 0)))",
            keep.ended_sessions,
        ),
        (
            "UPDATE logouts SET forget_from = $1 + 86400000000 WHERE id IN
               (SELECT old.id FROM (SELECT id, issuer, key FROM logouts WHERE forget_from < $1
                                    ORDER BY forget_from LIMIT $2) AS old
                WHERE EXISTS (SELECT 1 FROM deliveries WHERE logout_id = old.id)
                   OR EXISTS (SELECT 1 FROM expansions WHERE logout_id = old.id)
                   OR (SELECT logout_id FROM provider_sessions
                       WHERE issuer = old.issuer AND session_id = old.key) = old.id)",
            keep.logouts,
        ),
        (
            "DELETE FROM logouts WHERE id IN
               (SELECT old.id FROM (SELECT id, issuer, key FROM logouts WHERE forget_from < $1
                                    ORDER BY forget_from LIMIT $2) AS old
                WHERE NOT EXISTS (SELECT 1 FROM deliveries WHERE logout_id = old.id)
                  AND NOT EXISTS (SELECT 1 FROM expansions WHERE logout_id = old.id)
                  AND (SELECT logout_id FROM provider_sessions
                       WHERE issuer = old.issuer AND session_id = old.key) IS NOT old.id)",
            keep.logouts,
        ),
    ]
}
