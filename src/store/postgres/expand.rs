//! The statements of one step of an expansion, for Postgres.

use async_trait::async_trait;
use sqlx::postgres::PgPool;
use time::OffsetDateTime;

use super::failed;
use super::record::{Keys, Tx};
use crate::model::{IssuerKey, LogoutId};
use crate::store::StoreError;
use crate::store::at::At;
use crate::store::batch::SessionKey;
use crate::store::record::{ExpandTx, ExpansionRow, Next, Walk, WalkedRow};
use crate::store::rows::SessionRow;

/// Whether any logout is still walked, due or not: mostly none is, and no transaction is begun for that.
pub(super) async fn any(pool: &PgPool) -> Result<bool, StoreError> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM expansions)").fetch_one(pool).await.map_err(failed)
}

#[async_trait]
impl ExpandTx for Tx {
    async fn clock(&mut self) -> Result<OffsetDateTime, StoreError> {
        let now: OffsetDateTime =
            sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut *self.inner).await.map_err(failed)?;
        Ok(now + self.offset)
    }

    async fn take_expansion(&mut self, now: At) -> Result<Option<ExpansionRow>, StoreError> {
        sqlx::query_as(
            "SELECT l.id, l.issuer, l.event_id, l.scope, l.key, c.client_id AS scope_client, l.cause, l.initiator,
                    l.exclude_initiator, l.happened_at, l.accepted_at, l.client AS scope_client_key, e.at_client,
                    e.after_id
             FROM expansions e JOIN logouts l ON l.id = e.logout_id LEFT JOIN clients c ON c.id = l.client
             WHERE e.due_at <= $1 ORDER BY e.due_at LIMIT 1 FOR UPDATE OF e SKIP LOCKED",
        )
        .bind(now)
        .fetch_optional(&mut *self.inner)
        .await
        .map_err(failed)
    }

    async fn next_client(&mut self, issuer: IssuerKey, after: i32) -> Result<Option<i32>, StoreError> {
        sqlx::query_scalar("SELECT min(id) FROM clients WHERE issuer = $1 AND id > $2")
            .bind(issuer.0)
            .bind(after)
            .fetch_one(&mut *self.inner)
            .await
            .map_err(failed)
    }

    async fn walk(&mut self, walk: &Walk<'_>, limit: u32) -> Result<Vec<(i64, SessionKey)>, StoreError> {
        let rows: Vec<WalkedRow> = match walk.subject {
            Some(_) => sqlx::query_as(
                "SELECT id, issuer, session_id, client, sid FROM sessions
                 WHERE issuer = $1 AND ($2::int IS NULL OR client = $2) AND id > $3 AND opened_at <= $4 AND subject = $6
                 ORDER BY id LIMIT $5",
            ),
            None => sqlx::query_as(
                "SELECT id, issuer, session_id, client, sid FROM sessions
                 WHERE issuer = $1 AND client = $2 AND id > $3 AND opened_at <= $4 AND $6::text IS NULL
                 ORDER BY client, id LIMIT $5",
            ),
        }
        .bind(walk.issuer.0)
        .bind(walk.client)
        .bind(walk.after_id)
        .bind(walk.opened_until)
        .bind(i64::from(limit))
        .bind(walk.subject)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)?;
        Ok(rows.into_iter().map(WalkedRow::pair).collect())
    }

    async fn sessions_of(&mut self, keys: &[&SessionKey]) -> Result<Vec<SessionRow>, StoreError> {
        let keys: Keys<'_> = keys.iter().copied().collect();
        sqlx::query_as(
            "SELECT o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline, o.held
             FROM unnest($1::int[], $2::text[], $3::int[], $4::text[]) AS k(issuer, session_id, client, sid)
             JOIN sessions o USING (issuer, session_id, client, sid)",
        )
        .bind(keys.issuers)
        .bind(keys.session_ids)
        .bind(keys.clients)
        .bind(keys.sids)
        .fetch_all(&mut *self.inner)
        .await
        .map_err(failed)
    }

    async fn walked(&mut self, logout: LogoutId, next: Option<Next>) -> Result<(), StoreError> {
        let query = match next {
            None => sqlx::query("DELETE FROM expansions WHERE logout_id = $1").bind(logout.0),
            Some(next) => {
                sqlx::query("UPDATE expansions SET at_client = $2, after_id = $3, due_at = $4 WHERE logout_id = $1")
                    .bind(logout.0)
                    .bind(next.at_client)
                    .bind(next.after_id)
                    .bind(next.due_at)
            }
        };
        query.execute(&mut *self.inner).await.map(drop).map_err(failed)
    }
}
