//! The statements of `record`, for Postgres. Each sorts its rows by their unique key with the
//! "C" collation: unsorted multi-row writes deadlock.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{Postgres, Transaction};
use time::OffsetDateTime;

use super::failed;
use crate::model::{Cause, DeliveryId, IssuerKey, Logout, LogoutId, Scope, SkipReason};
use crate::store::at::At;
use crate::store::batch::{ClosingRow, LogoutRow, OpeningRow, ProviderSessionKey, SessionKey};
use crate::store::probe::{Point, Probe};
use crate::store::record::{CoveredRow, EventLogout, EventLogoutRow, KeyRow, LateRow, NewDelivery, RecordTx, Touch};
use crate::store::rows::{self, ProviderSessionRow, SessionRow, code, scope, state};
use crate::store::{Decision, StoreError};

/// Advisory locks of ours carry this class, so that they meet nobody else's.
const LOCK_CLASS: i32 = 0x5169_6e6f;

pub(super) struct Tx {
    pub(super) inner: Transaction<'static, Postgres>,
    pub(super) probe: Option<Arc<dyn Probe>>,
    pub(super) offset: time::Duration,
}

/// Session keys as parallel arrays.
#[derive(Default)]
pub(super) struct Keys<'a> {
    pub(super) issuers: Vec<i32>,
    pub(super) session_ids: Vec<&'a str>,
    pub(super) clients: Vec<i32>,
    pub(super) sids: Vec<&'a str>,
}

impl<'a> FromIterator<&'a SessionKey> for Keys<'a> {
    fn from_iter<I: IntoIterator<Item = &'a SessionKey>>(keys: I) -> Self {
        let mut all = Self::default();
        for key in keys {
            all.issuers.push(key.issuer.0);
            all.session_ids.push(&key.session_id);
            all.clients.push(key.client.0);
            all.sids.push(&key.sid);
        }
        all
    }
}

fn scope_of(request: &Scope) -> (i16, &str) {
    match request {
        Scope::Session { session_id } => (scope::SESSION, session_id),
        Scope::Subject { subject, .. } => (scope::SUBJECT, subject),
        Scope::Bulk { .. } => (scope::BULK, ""),
    }
}

#[async_trait]
impl RecordTx for Tx {
    async fn lock_issuers(&mut self, issuers: &[(IssuerKey, bool)]) -> Result<OffsetDateTime, StoreError> {
        let mut now = OffsetDateTime::UNIX_EPOCH;
        for (issuer, exclusively) in issuers {
            let lock = if *exclusively {
                "SELECT clock_timestamp() FROM pg_advisory_xact_lock($1, $2)"
            } else {
                "SELECT clock_timestamp() FROM pg_advisory_xact_lock_shared($1, $2)"
            };
            let query = sqlx::query_scalar(lock).bind(LOCK_CLASS).bind(issuer.0);
            now = query.fetch_one(&mut *self.inner).await.map_err(failed)?;
        }
        Ok(now + self.offset)
    }

    async fn insert_logouts(&mut self, logouts: &[&LogoutRow<'_>], now: At) -> Result<Vec<EventLogout>, StoreError> {
        let scopes: Vec<_> = logouts.iter().map(|row| scope_of(&row.request.scope)).collect();
        sqlx::query_as::<_, EventLogoutRow>(
            "INSERT INTO logouts (issuer, event_id, scope, key, client, cause, initiator, exclude_initiator,
                                  happened_at, accepted_at, forget_from)
             SELECT i, e, s, k, c, why, who, x, at, $10, $10
             FROM unnest($1::int[], $2::text[], $3::smallint[], $4::text[], $5::int[], $6::smallint[], $7::text[],
                         $8::bool[], $9::timestamptz[]) AS t(i, e, s, k, c, why, who, x, at)
             ORDER BY i, e COLLATE \"C\"
             ON CONFLICT (issuer, event_id) DO NOTHING
             RETURNING issuer, event_id, id",
        )
        .bind(logouts.iter().map(|row| row.issuer.0).collect::<Vec<_>>())
        .bind(logouts.iter().map(|row| row.event_id).collect::<Vec<_>>())
        .bind(scopes.iter().map(|(scope, _)| *scope).collect::<Vec<_>>())
        .bind(scopes.iter().map(|(_, key)| *key).collect::<Vec<_>>())
        .bind(logouts.iter().map(|row| row.client.map(|client| client.0)).collect::<Vec<_>>())
        .bind(logouts.iter().map(|row| code(&Cause::ALL, &row.request.cause)).collect::<Vec<_>>())
        .bind(logouts.iter().map(|row| row.request.initiator.as_deref()).collect::<Vec<_>>())
        .bind(logouts.iter().map(|row| row.request.exclude_initiator).collect::<Vec<_>>())
        .bind(logouts.iter().map(|row| row.happened_at).collect::<Vec<_>>())
        .bind(now)
        .fetch_all(&mut *self.inner)
        .await
        .map(|rows| rows.into_iter().map(EventLogoutRow::pair).collect())
        .map_err(failed)
    }

    async fn known_logouts(&mut self, keys: &[(IssuerKey, &str)]) -> Result<Vec<EventLogout>, StoreError> {
        sqlx::query_as::<_, EventLogoutRow>(
            "SELECT l.issuer, l.event_id, coalesce(l.same_as, l.id) AS id
             FROM unnest($1::int[], $2::text[]) AS k(issuer, event_id) JOIN logouts l USING (issuer, event_id)",
        )
        .bind(keys.iter().map(|(issuer, _)| issuer.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|(_, event_id)| *event_id).collect::<Vec<_>>())
        .fetch_all(&mut *self.inner)
        .await
        .map(|rows| rows.into_iter().map(EventLogoutRow::pair).collect())
        .map_err(failed)
    }

    async fn touch(&mut self, rows: &[Touch<'_>], now: At) -> Result<Vec<ProviderSessionRow>, StoreError> {
        // DO UPDATE, not DO NOTHING: only an update locks a row that is there and returns it.
        sqlx::query_as(
            "INSERT INTO provider_sessions AS p (issuer, session_id, ended_at, logout_id, touched_at)
             SELECT i, s, e, l, $6 FROM unnest($1::int[], $2::text[], $3::timestamptz[], $4::bigint[]) AS t(i, s, e, l)
             ORDER BY i, s COLLATE \"C\"
             ON CONFLICT (issuer, session_id) DO UPDATE
             SET ended_at = CASE WHEN excluded.issuer = ANY($5) THEN greatest(p.ended_at, excluded.ended_at)
                                 ELSE coalesce(p.ended_at, excluded.ended_at) END,
                 logout_id = CASE WHEN p.logout_id IS NULL OR (excluded.issuer = ANY($5) AND excluded.ended_at > p.ended_at)
                                  THEN excluded.logout_id ELSE p.logout_id END,
                 touched_at = excluded.touched_at
             RETURNING issuer, session_id, ended_at, logout_id",
        )
        .bind(rows.iter().map(|row| row.key.0.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.key.1.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.ended_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.logout.map(|logout| logout.0)).collect::<Vec<_>>())
        .bind(rows.iter().filter(|row| row.reused).map(|row| row.key.0.0).collect::<Vec<_>>())
        .bind(now)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)
    }

    async fn note_repeats(&mut self, repeats: &[(LogoutId, LogoutId)]) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE logouts l SET same_as = t.first FROM unnest($1::bigint[], $2::bigint[]) AS t(again, first)
             WHERE l.id = t.again",
        )
        .bind(repeats.iter().map(|(again, _)| again.0).collect::<Vec<_>>())
        .bind(repeats.iter().map(|(_, first)| first.0).collect::<Vec<_>>())
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn close(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO closings AS c (issuer, session_id, client, closed_at)
             SELECT i, s, cl, at FROM unnest($1::int[], $2::text[], $3::int[], $4::timestamptz[]) AS t(i, s, cl, at)
             ORDER BY i, s COLLATE \"C\", cl
             ON CONFLICT (issuer, session_id, client) DO UPDATE SET closed_at = greatest(c.closed_at, excluded.closed_at)",
        )
        .bind(rows.iter().map(|(key, _)| key.0.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| key.1.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| key.2.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, at)| **at).collect::<Vec<_>>())
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn open(&mut self, rows: &[(&SessionKey, &OpeningRow)]) -> Result<(), StoreError> {
        let keys: Keys<'_> = rows.iter().map(|(key, _)| *key).collect();
        sqlx::query(
            "INSERT INTO sessions AS o (issuer, session_id, client, sid, sub, subject, opened_at, expires_at, offline)
             SELECT i, s, c, sid, sub, subj, at, ex, off
             FROM unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                         $8::timestamptz[], $9::bool[]) AS t(i, s, c, sid, sub, subj, at, ex, off)
             WHERE NOT EXISTS (SELECT 1 FROM closings x
                               WHERE x.issuer = i AND x.session_id = s AND x.client = c AND x.closed_at > at)
             ORDER BY i, s COLLATE \"C\", c, sid COLLATE \"C\"
             ON CONFLICT (issuer, session_id, client, sid) DO UPDATE
             SET sub = CASE WHEN excluded.opened_at >= o.opened_at THEN excluded.sub ELSE o.sub END,
                 subject = CASE WHEN excluded.opened_at >= o.opened_at THEN excluded.subject ELSE o.subject END,
                 offline = CASE WHEN excluded.opened_at >= o.opened_at THEN excluded.offline ELSE o.offline END,
                 opened_at = greatest(o.opened_at, excluded.opened_at),
                 expires_at = greatest(o.expires_at, excluded.expires_at)",
        )
        .bind(keys.issuers)
        .bind(keys.session_ids)
        .bind(keys.clients)
        .bind(keys.sids)
        .bind(rows.iter().map(|(_, row)| row.sub.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.subject.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.opened_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.expires_at).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, row)| row.offline).collect::<Vec<_>>())
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn delete_closed(&mut self, rows: &[ClosingRow<'_>]) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM sessions o USING unnest($1::int[], $2::text[], $3::int[], $4::timestamptz[]) AS t(i, s, c, at)
             WHERE o.issuer = i AND o.session_id = s AND o.client = c AND o.opened_at < at",
        )
        .bind(rows.iter().map(|(key, _)| key.0.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| key.1.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|(key, _)| key.2.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, at)| **at).collect::<Vec<_>>())
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn sessions_under(&mut self, keys: &[&ProviderSessionKey]) -> Result<Vec<SessionRow>, StoreError> {
        sqlx::query_as(
            "SELECT o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline, o.held
             FROM unnest($1::int[], $2::text[]) AS k(issuer, session_id) JOIN sessions o USING (issuer, session_id)",
        )
        .bind(keys.iter().map(|key| key.0.0).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.1.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)
    }

    async fn sessions_covered(&mut self, logouts: &[LogoutId]) -> Result<Vec<(SessionRow, LogoutId)>, StoreError> {
        let rows: Vec<CoveredRow> = sqlx::query_as(
            "SELECT o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline,
                    o.held, l.id AS logout_id
             FROM logouts l JOIN sessions o ON o.issuer = l.issuer AND o.subject = l.key
             WHERE l.id = ANY($1) AND o.opened_at <= l.happened_at AND (l.client IS NULL OR l.client = o.client)
             ORDER BY l.id",
        )
        .bind(logouts.iter().map(|logout| logout.0).collect::<Vec<_>>())
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
             FROM logouts l LEFT JOIN clients c ON c.id = l.client WHERE l.id = ANY($1)",
        )
        .bind(ids)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        let logout = |id: i64| logouts.iter().find(|row| row.id == id).cloned().map(rows::LogoutRow::logout);
        Ok(covered.into_iter().filter_map(|row| logout(row.logout_id).map(|logout| (row.session, logout))).collect())
    }

    async fn already_planned(&mut self, pairs: &[(&SessionKey, LogoutId)]) -> Result<HashSet<SessionKey>, StoreError> {
        let keys: Keys<'_> = pairs.iter().map(|(key, _)| *key).collect();
        let found: Vec<KeyRow> = sqlx::query_as(
            "SELECT k.issuer, k.session_id, k.client, k.sid
             FROM unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::bigint[])
                  AS k(issuer, session_id, client, sid, logout_id)
             WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.logout_id = k.logout_id AND d.client = k.client
                             AND d.session_id = k.session_id AND d.sid = k.sid)
                OR EXISTS (SELECT 1 FROM delivered d WHERE d.logout_id = k.logout_id AND d.client = k.client
                             AND d.session_id = k.session_id AND d.sid = k.sid)",
        )
        .bind(keys.issuers)
        .bind(keys.session_ids)
        .bind(keys.clients)
        .bind(keys.sids)
        .bind(pairs.iter().map(|(_, logout)| logout.0).collect::<Vec<_>>())
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        Ok(found.into_iter().map(KeyRow::key).collect())
    }

    async fn rearm(&mut self, logouts: &[LogoutId], now: At) -> Result<Vec<(LogoutId, u32)>, StoreError> {
        let armed: Vec<i64> = sqlx::query_scalar(
            "WITH pick AS (SELECT id FROM deliveries WHERE logout_id = ANY($1) AND state = $2
                           ORDER BY id FOR NO KEY UPDATE)
             UPDATE deliveries d SET state = 0, why = NULL, due_at = $3, armed_at = $3, lease = NULL, tries = 0,
                    streak_outcome = NULL, streak_count = 0, streak_since = NULL, settled_at = NULL
             FROM pick WHERE d.id = pick.id RETURNING d.logout_id",
        )
        .bind(logouts.iter().map(|logout| logout.0).collect::<Vec<_>>())
        .bind(state::ABANDONED)
        .bind(now)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        let count = |logout: &LogoutId| armed.iter().filter(|id| **id == logout.0).count();
        Ok(logouts.iter().map(|logout| (*logout, u32::try_from(count(logout)).unwrap_or(u32::MAX))).collect())
    }

    async fn drop_skipped(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError> {
        let keys: Keys<'_> = keys.iter().copied().collect();
        sqlx::query(
            "DELETE FROM deliveries d USING unnest($1::text[], $2::int[], $3::text[]) AS k(session_id, client, sid)
             WHERE d.client = k.client AND d.session_id = k.session_id AND d.sid = k.sid AND d.state = $4 AND d.state > 0
               AND d.why = ANY($5)",
        )
        .bind(keys.session_ids)
        .bind(keys.clients)
        .bind(keys.sids)
        .bind(state::SKIPPED)
        .bind(keeping())
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn delete_sessions(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError> {
        let keys: Keys<'_> = keys.iter().copied().collect();
        sqlx::query(
            "DELETE FROM sessions o USING unnest($1::int[], $2::text[], $3::int[], $4::text[]) AS k(i, s, c, sid)
             WHERE o.issuer = k.i AND o.session_id = k.s AND o.client = k.c AND o.sid = k.sid",
        )
        .bind(keys.issuers)
        .bind(keys.session_ids)
        .bind(keys.clients)
        .bind(keys.sids)
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn hold_sessions(&mut self, keys: &[&SessionKey]) -> Result<(), StoreError> {
        let keys: Keys<'_> = keys.iter().copied().collect();
        sqlx::query(
            "UPDATE sessions o SET held = true
             FROM unnest($1::int[], $2::text[], $3::int[], $4::text[]) AS k(i, s, c, sid)
             WHERE o.issuer = k.i AND o.session_id = k.s AND o.client = k.c AND o.sid = k.sid",
        )
        .bind(keys.issuers)
        .bind(keys.session_ids)
        .bind(keys.clients)
        .bind(keys.sids)
        .execute(&mut *self.inner)
        .await
        .map(drop)
        .map_err(failed)
    }

    async fn insert_deliveries(&mut self, new: &[NewDelivery], now: At) -> Result<Vec<DeliveryId>, StoreError> {
        let mut ids: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO deliveries (logout_id, issuer, client, session_id, sid, sub, cause, accepted_at, due_at, lease,
                                     state, why, whole_subject, bulk, created_at, armed_at, settled_at)
             SELECT l, i, c, s, sid, sub, cause, acc, due, lease, st, why, whole, bulk, $14, $14,
                    CASE WHEN st <> 0 THEN $14 END
             FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::smallint[],
                         $8::timestamptz[], $9::timestamptz[], $10::bigint[], $11::smallint[], $12::smallint[],
                         $13::bool[], $15::bool[])
                  WITH ORDINALITY AS t(l, i, c, s, sid, sub, cause, acc, due, lease, st, why, whole, bulk, n)
             ORDER BY n
             RETURNING id",
        )
        .bind(new.iter().map(|row| row.logout.0).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.session.issuer).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.session.client).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.session.session_id.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.session.sid.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.session.sub.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|row| code(&Cause::ALL, &row.cause)).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.accepted_at).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.leased.map_or(row.due_at, |(_, until)| until)).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.leased.map(|(lease, _)| lease.0)).collect::<Vec<_>>())
        .bind(new.iter().map(|row| state_of(row.decision).0).collect::<Vec<_>>())
        .bind(new.iter().map(|row| state_of(row.decision).1).collect::<Vec<_>>())
        .bind(new.iter().map(|row| row.decision == Decision::Owe { whole_subject: true }).collect::<Vec<_>>())
        .bind(now)
        .bind(new.iter().map(|row| row.bulk).collect::<Vec<_>>())
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        // Keys rise in the order of insertion; RETURNING promises no order.
        ids.sort_unstable();
        Ok(ids.into_iter().map(DeliveryId).collect())
    }

    async fn crowded(&mut self, logouts: &[LogoutId], more_than: u32) -> Result<Vec<LogoutId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT l.id FROM logouts l WHERE l.id = ANY($1) AND $2 <
               (SELECT count(*) FROM (SELECT 1 FROM sessions o
                  WHERE o.issuer = l.issuer AND o.subject = l.key AND o.opened_at <= l.happened_at
                    AND (l.client IS NULL OR l.client = o.client) ORDER BY o.id LIMIT $2 + 1) AS covered)",
        )
        .bind(logouts.iter().map(|logout| logout.0).collect::<Vec<_>>())
        .bind(i64::from(more_than))
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        Ok(ids.into_iter().map(LogoutId).collect())
    }

    async fn expand_later(&mut self, logouts: &[LogoutId], now: At) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO expansions (logout_id, due_at) SELECT id, $2 FROM unnest($1::bigint[]) AS t(id)")
            .bind(logouts.iter().map(|logout| logout.0).collect::<Vec<_>>())
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
    /// Sessions of this batch and the logouts of one scope that cover them. Two probes of one
    /// index instead of one join with OR, which would read every logout of the issuer.
    async fn late_pairs(&mut self, late: &[LateRow<'_>], of_scope: i16) -> Result<Vec<CoveredRow>, StoreError> {
        let keys: Keys<'_> = late.iter().map(|row| row.key).collect();
        sqlx::query_as(
            "SELECT o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline,
                    o.held, l.id AS logout_id
             FROM unnest($1::int[], $2::text[], $3::int[], $4::text[], $5::bool[])
                  AS k(issuer, session_id, client, sid, absolute)
             JOIN sessions o USING (issuer, session_id, client, sid)
             JOIN logouts l ON l.issuer = o.issuer AND l.scope = $6
                  AND l.key = CASE $6 WHEN 0 THEN o.session_id WHEN 1 THEN o.subject ELSE '' END
             WHERE ((k.absolute AND $6 = 0) OR l.happened_at >= o.opened_at) AND (l.client IS NULL OR l.client = o.client)",
        )
        .bind(keys.issuers)
        .bind(keys.session_ids)
        .bind(keys.clients)
        .bind(keys.sids)
        .bind(late.iter().map(|row| !row.reused).collect::<Vec<_>>())
        .bind(of_scope)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)
    }
}

fn state_of(decision: Decision) -> (i16, Option<i16>) {
    match decision {
        Decision::Owe { .. } => (state::PENDING, None),
        Decision::Skip(why) => (state::SKIPPED, Some(code(&SkipReason::ALL, &why))),
    }
}

fn keeping() -> Vec<i16> {
    SkipReason::ALL.iter().filter(|why| why.keeps_session()).map(|why| code(&SkipReason::ALL, why)).collect()
}
