//! The statements of `record`, for SQLite. `BEGIN IMMEDIATE` makes the transaction the only
//! writer: it holds every lock of the protocol at once.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{Sqlite, Transaction};
use time::OffsetDateTime;

use super::failed;
use crate::model::{Cause, DeliveryId, IssuerKey, Logout, LogoutId, Scope, SkipReason};
use crate::store::at::At;
use crate::store::batch::{ClosingRow, LogoutRow, OpeningRow, ProviderSessionKey, SessionKey};
use crate::store::probe::{Point, Probe};
use crate::store::record::{CoveredRow, EventLogout, EventLogoutRow, KeyRow, LateRow, NewDelivery, RecordTx, Touch};
use crate::store::rows::{self, ProviderSessionRow, SessionRow, code, scope, state};
use crate::store::{Decision, StoreError};

pub(super) struct Tx {
    pub(super) inner: Transaction<'static, Sqlite>,
    pub(super) probe: Option<Arc<dyn Probe>>,
    pub(super) now: OffsetDateTime,
}

fn key(key: &SessionKey) -> Value {
    json!({"i": key.issuer, "s": key.session_id, "c": key.client, "sid": key.sid})
}

pub(super) fn keys(of: &[&SessionKey]) -> Json<Vec<Value>> {
    Json(of.iter().map(|k| key(k)).collect())
}

fn scope_of(request: &Scope) -> (i16, &str) {
    match request {
        Scope::Session { session_id } => (scope::SESSION, session_id),
        Scope::Subject { subject, .. } => (scope::SUBJECT, subject),
        Scope::Bulk { .. } => (scope::BULK, ""),
    }
}

fn closings(rows: &[ClosingRow<'_>]) -> Json<Vec<Value>> {
    Json(rows.iter().map(|(key, at)| json!({"i": key.0, "s": key.1, "c": key.2, "at": at})).collect())
}

#[async_trait]
impl RecordTx for Tx {
    async fn lock_issuers(&mut self, _issuers: &[(IssuerKey, bool)]) -> Result<OffsetDateTime, StoreError> {
        Ok(self.now)
    }

    async fn insert_logouts(&mut self, logouts: &[&LogoutRow<'_>], now: At) -> Result<Vec<EventLogout>, StoreError> {
        let row = |row: &&LogoutRow<'_>| {
            let (scope, key) = scope_of(&row.request.scope);
            json!({"i": row.issuer, "e": row.event_id, "scope": scope, "key": key, "client": row.client,
                   "cause": code(&Cause::ALL, &row.request.cause), "initiator": row.request.initiator,
                   "exclude": row.request.exclude_initiator, "at": row.happened_at})
        };
        sqlx::query_as::<_, EventLogoutRow>(
            "INSERT INTO logouts (issuer, event_id, scope, key, client, cause, initiator, exclude_initiator,
                                  happened_at, accepted_at, forget_from)
             SELECT value->>'i', value->>'e', value->>'scope', value->>'key', value->>'client', value->>'cause',
                    value->>'initiator', value->>'exclude', value->>'at', $2, $2
             FROM json_each($1) WHERE true ON CONFLICT (issuer, event_id) DO NOTHING
             RETURNING issuer, event_id, id",
        )
        .bind(Json(logouts.iter().map(row).collect::<Vec<_>>()))
        .bind(now)
        .fetch_all(&mut *self.inner)
        .await
        .map(|rows| rows.into_iter().map(EventLogoutRow::pair).collect())
        .map_err(failed)
    }

    async fn known_logouts(&mut self, keys: &[(IssuerKey, &str)]) -> Result<Vec<EventLogout>, StoreError> {
        sqlx::query_as::<_, EventLogoutRow>(
            "SELECT l.issuer, l.event_id, coalesce(l.same_as, l.id) AS id
             FROM json_each($1) AS k JOIN logouts l ON l.issuer = k.value->>0 AND l.event_id = k.value->>1",
        )
        .bind(Json(keys))
        .fetch_all(&mut *self.inner)
        .await
        .map(|rows| rows.into_iter().map(EventLogoutRow::pair).collect())
        .map_err(failed)
    }

    async fn touch(&mut self, rows: &[Touch<'_>], now: At) -> Result<Vec<ProviderSessionRow>, StoreError> {
        let row =
            |row: &Touch<'_>| json!({"i": row.key.0, "s": row.key.1, "ended": row.ended_at, "logout": row.logout});
        let reused: Vec<_> = rows.iter().filter(|row| row.reused).map(|row| row.key.0).collect();
        sqlx::query_as(
            "INSERT INTO provider_sessions AS p (issuer, session_id, ended_at, logout_id, touched_at)
             SELECT value->>'i', value->>'s', value->>'ended', value->>'logout', $2 FROM json_each($1) WHERE true
             ON CONFLICT (issuer, session_id) DO UPDATE
             SET ended_at = CASE WHEN excluded.issuer IN (SELECT value FROM json_each($3))
                                 THEN max(coalesce(p.ended_at, excluded.ended_at), coalesce(excluded.ended_at, p.ended_at))
                                 ELSE coalesce(p.ended_at, excluded.ended_at) END,
                 logout_id = CASE WHEN p.logout_id IS NULL OR (excluded.issuer IN (SELECT value FROM json_each($3))
                                                               AND excluded.ended_at > p.ended_at)
                                  THEN excluded.logout_id ELSE p.logout_id END,
                 touched_at = excluded.touched_at
             RETURNING issuer, session_id, ended_at, logout_id",
        )
        .bind(Json(rows.iter().map(row).collect::<Vec<_>>()))
        .bind(now)
        .bind(Json(reused))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)
    }

    async fn note_repeats(&mut self, repeats: &[(LogoutId, LogoutId)]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE logouts SET same_as = t.first
             FROM (SELECT value->>0 AS again, value->>1 AS first FROM json_each($1)) AS t WHERE logouts.id = t.again",
        )
        .bind(Json(repeats))
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn close(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO closings AS c (issuer, session_id, client, closed_at)
             SELECT value->>'i', value->>'s', value->>'c', value->>'at' FROM json_each($1) WHERE true
             ON CONFLICT (issuer, session_id, client) DO UPDATE SET closed_at = max(c.closed_at, excluded.closed_at)",
        )
        .bind(closings(rows))
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn open(&mut self, rows: &[(&SessionKey, &OpeningRow)]) -> Result<(), StoreError> {
        let row = |(key, row): &(&SessionKey, &OpeningRow)| {
            json!({"i": key.issuer, "s": key.session_id, "c": key.client, "sid": key.sid, "sub": row.sub,
                   "subject": row.subject, "at": row.opened_at, "expires": row.expires_at, "offline": row.offline})
        };
        sqlx::query(
            "INSERT INTO sessions AS o (issuer, session_id, client, sid, sub, subject, opened_at, expires_at, offline)
             SELECT value->>'i', value->>'s', value->>'c', value->>'sid', value->>'sub', value->>'subject', value->>'at',
                    value->>'expires', value->>'offline'
             FROM json_each($1)
             WHERE NOT EXISTS (SELECT 1 FROM closings x WHERE x.issuer = value->>'i' AND x.session_id = value->>'s'
                                 AND x.client = value->>'c' AND x.closed_at > value->>'at')
             ON CONFLICT (issuer, session_id, client, sid) DO UPDATE
             SET sub = CASE WHEN excluded.opened_at >= o.opened_at THEN excluded.sub ELSE o.sub END,
                 subject = CASE WHEN excluded.opened_at >= o.opened_at THEN excluded.subject ELSE o.subject END,
                 offline = CASE WHEN excluded.opened_at >= o.opened_at THEN excluded.offline ELSE o.offline END,
                 opened_at = max(o.opened_at, excluded.opened_at),
                 expires_at = max(o.expires_at, excluded.expires_at)",
        )
        .bind(Json(rows.iter().map(row).collect::<Vec<_>>()))
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn delete_closed(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM sessions WHERE rowid IN
               (SELECT o.rowid FROM json_each($1) AS t
                JOIN sessions o ON o.issuer = t.value->>'i' AND o.session_id = t.value->>'s' AND o.client = t.value->>'c'
                WHERE o.opened_at < t.value->>'at')",
        )
        .bind(closings(rows))
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn sessions_under(&mut self, keys: &[&ProviderSessionKey]) -> Result<Vec<SessionRow>, StoreError> {
        sqlx::query_as(
            "SELECT o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline, o.held
             FROM json_each($1) AS k JOIN sessions o ON o.issuer = k.value->>0 AND o.session_id = k.value->>1",
        )
        .bind(Json(keys))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)
    }

    async fn sessions_covered(&mut self, logouts: &[LogoutId]) -> Result<Vec<(SessionRow, LogoutId)>, StoreError> {
        let rows: Vec<CoveredRow> = sqlx::query_as(
            "SELECT o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline,
                    o.held, l.id AS logout_id
             FROM json_each($1) AS k JOIN logouts l ON l.id = k.value
             JOIN sessions o ON o.issuer = l.issuer AND o.subject = l.key
             WHERE o.opened_at <= l.happened_at AND (l.client IS NULL OR l.client = o.client)
             ORDER BY l.id",
        )
        .bind(Json(logouts))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        Ok(rows.into_iter().map(|row| (row.session, LogoutId(row.logout_id))).collect())
    }

    async fn late(&mut self, late: &[LateRow<'_>]) -> Result<Vec<(SessionRow, Logout)>, StoreError> {
        let mut covered = self.late_pairs(late, scope::SUBJECT).await?;
        covered.extend(self.late_pairs(late, scope::BULK).await?);
        let ended: Vec<_> = late.iter().filter(|row| row.ended).copied().collect();
        if !ended.is_empty() {
            covered.extend(self.late_pairs(&ended, scope::SESSION).await?);
        }
        if covered.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<_> = covered.iter().map(|row| row.logout_id).collect();
        let logouts: Vec<rows::LogoutRow> = sqlx::query_as(
            "SELECT l.id, l.issuer, l.event_id, l.scope, l.key, c.client_id AS scope_client, l.cause, l.initiator,
                    l.exclude_initiator, l.happened_at, l.accepted_at
             FROM logouts l LEFT JOIN clients c ON c.id = l.client WHERE l.id IN (SELECT value FROM json_each($1))",
        )
        .bind(Json(ids))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        let logout = |id: i64| logouts.iter().find(|row| row.id == id).cloned().map(rows::LogoutRow::logout);
        Ok(covered.into_iter().filter_map(|row| logout(row.logout_id).map(|logout| (row.session, logout))).collect())
    }

    async fn already_planned(&mut self, pairs: &[(&SessionKey, LogoutId)]) -> Result<HashSet<SessionKey>, StoreError> {
        let row = |(k, logout): &(&SessionKey, LogoutId)| json!({"i": k.issuer, "s": k.session_id, "c": k.client, "sid": k.sid, "l": logout});
        let found: Vec<KeyRow> = sqlx::query_as(
            "SELECT k.issuer, k.session_id, k.client, k.sid
             FROM (SELECT value->>'i' AS issuer, value->>'s' AS session_id, value->>'c' AS client, value->>'sid' AS sid,
                          value->>'l' AS logout_id FROM json_each($1)) AS k
             WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.logout_id = k.logout_id AND d.client = k.client
                             AND d.session_id = k.session_id AND d.sid = k.sid)
                OR EXISTS (SELECT 1 FROM delivered d WHERE d.logout_id = k.logout_id AND d.client = k.client
                             AND d.session_id = k.session_id AND d.sid = k.sid)",
        )
        .bind(Json(pairs.iter().map(row).collect::<Vec<_>>()))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        Ok(found.into_iter().map(KeyRow::key).collect())
    }

    async fn rearm(&mut self, logouts: &[LogoutId], now: At) -> Result<Vec<(LogoutId, u32)>, StoreError> {
        let armed: Vec<i64> = sqlx::query_scalar(
            "UPDATE deliveries SET state = 0, why = NULL, due_at = $3, armed_at = $3, lease = NULL, tries = 0,
                    streak_outcome = NULL, streak_count = 0, streak_since = NULL, settled_at = NULL
             WHERE logout_id IN (SELECT value FROM json_each($1)) AND state = $2 RETURNING logout_id",
        )
        .bind(Json(logouts))
        .bind(state::ABANDONED)
        .bind(now)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        let count = |logout: &LogoutId| armed.iter().filter(|id| **id == logout.0).count();
        Ok(logouts.iter().map(|logout| (*logout, u32::try_from(count(logout)).unwrap_or(u32::MAX))).collect())
    }

    async fn drop_skipped(&mut self, of: &[&SessionKey]) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM deliveries WHERE id IN
               (SELECT d.id FROM json_each($1) AS k
                JOIN deliveries d ON d.client = k.value->>'c' AND d.session_id = k.value->>'s' AND d.sid = k.value->>'sid'
                WHERE d.state = $2 AND d.state > 0 AND d.why IN (SELECT value FROM json_each($3)))",
        )
        .bind(keys(of))
        .bind(state::SKIPPED)
        .bind(keeping())
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn delete_sessions(&mut self, of: &[&SessionKey]) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM sessions WHERE (issuer, session_id, client, sid) IN
               (SELECT value->>'i', value->>'s', value->>'c', value->>'sid' FROM json_each($1))",
        )
        .bind(keys(of))
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn hold_sessions(&mut self, of: &[&SessionKey]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE sessions SET held = 1 WHERE (issuer, session_id, client, sid) IN
               (SELECT value->>'i', value->>'s', value->>'c', value->>'sid' FROM json_each($1))",
        )
        .bind(keys(of))
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn insert_deliveries(&mut self, new: &[NewDelivery], now: At) -> Result<Vec<DeliveryId>, StoreError> {
        let rows: Vec<_> = new.iter().map(delivery).collect();
        let mut ids: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO deliveries (logout_id, issuer, client, session_id, sid, sub, cause, accepted_at, due_at, lease,
                                     state, why, whole_subject, bulk, created_at, armed_at, settled_at)
             SELECT value->>'l', value->>'i', value->>'c', value->>'s', value->>'sid', value->>'sub', value->>'cause',
                    value->>'accepted', value->>'due', value->>'lease', value->>'state', value->>'why', value->>'whole',
                    value->>'bulk', $2, $2, CASE WHEN value->>'state' <> 0 THEN $2 END
             FROM json_each($1) WHERE true ORDER BY key RETURNING id",
        )
        .bind(Json(rows))
        .bind(now)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        // Keys rise in the order of insertion; RETURNING promises no order.
        ids.sort_unstable();
        Ok(ids.into_iter().map(DeliveryId).collect())
    }

    async fn crowded(&mut self, logouts: &[LogoutId], more_than: u32) -> Result<Vec<LogoutId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT l.id FROM logouts l WHERE l.id IN (SELECT value FROM json_each($1)) AND $2 <
               (SELECT count(*) FROM (SELECT 1 FROM sessions o
                  WHERE o.issuer = l.issuer AND o.subject = l.key AND o.opened_at <= l.happened_at
                    AND (l.client IS NULL OR l.client = o.client) LIMIT $2 + 1))",
        )
        .bind(Json(logouts))
        .bind(i64::from(more_than))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        Ok(ids.into_iter().map(LogoutId).collect())
    }

    async fn expand_later(&mut self, logouts: &[LogoutId], now: At) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO expansions (logout_id, due_at) SELECT value, $2 FROM json_each($1)")
            .bind(Json(logouts))
            .bind(now)
            .execute(&mut *self.inner)
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn pause(&mut self, point: Point) {
        if let Some(probe) = &self.probe {
            probe.at(point).await;
        }
    }
}

impl Tx {
    /// Sessions of this batch and the logouts of one scope that cover them.
    async fn late_pairs(&mut self, late: &[LateRow<'_>], of_scope: i16) -> Result<Vec<CoveredRow>, StoreError> {
        let row = |row: &LateRow<'_>| {
            json!({"i": row.key.issuer, "s": row.key.session_id, "c": row.key.client, "sid": row.key.sid,
                   "absolute": !row.reused})
        };
        sqlx::query_as(
            "SELECT o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline,
                    o.held, l.id AS logout_id
             FROM json_each($1) AS k
             JOIN sessions o ON o.issuer = k.value->>'i' AND o.session_id = k.value->>'s' AND o.client = k.value->>'c'
                  AND o.sid = k.value->>'sid'
             JOIN logouts l ON l.issuer = o.issuer AND l.scope = $2
                  AND l.key = CASE $2 WHEN 0 THEN o.session_id WHEN 1 THEN o.subject ELSE '' END
             WHERE ((k.value->>'absolute' AND $2 = 0) OR l.happened_at >= o.opened_at)
               AND (l.client IS NULL OR l.client = o.client)",
        )
        .bind(Json(late.iter().map(row).collect::<Vec<_>>()))
        .bind(of_scope)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)
    }
}

fn delivery(row: &NewDelivery) -> Value {
    let (state, why) = state_of(row.decision);
    let session = &row.session;
    json!({"l": row.logout, "i": session.issuer, "c": session.client, "s": session.session_id, "sid": session.sid,
           "sub": session.sub, "cause": code(&Cause::ALL, &row.cause), "accepted": row.accepted_at,
           "due": row.leased.map_or(row.due_at, |(_, until)| until), "lease": row.leased.map(|(lease, _)| lease),
           "state": state, "why": why, "whole": row.decision == Decision::Owe { whole_subject: true }, "bulk": row.bulk})
}

fn state_of(decision: Decision) -> (i16, Option<i16>) {
    match decision {
        Decision::Owe { .. } => (state::PENDING, None),
        Decision::Skip(why) => (state::SKIPPED, Some(code(&SkipReason::ALL, &why))),
    }
}

fn keeping() -> Json<Vec<i16>> {
    let keeping = SkipReason::ALL.iter().filter(|why| why.keeps_session());
    Json(keeping.map(|why| code(&SkipReason::ALL, why)).collect())
}
