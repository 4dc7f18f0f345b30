//! What does the API see? Filters, pages, one row with all its parts.

use sqlx::sqlite::SqlitePool;
use sqlx::types::Json;
use sqlx::{QueryBuilder, Sqlite};
use time::OffsetDateTime;

use super::failed;
use crate::model::{AbandonReason, DeliveryId, IssuerKey, LogoutId, Outcome};
use crate::store::StoreError;
use crate::store::at::At;
use crate::store::page;
use crate::store::rows::{self, AttemptRow, CountRow, DeliveryRow, LogoutRow, SessionViewRow, code, scope, state};
use crate::store::views::{
    Counts, DeliveryDetail, DeliveryFilter, DeliveryView, ExpiredSession, LogoutDetail, LogoutFilter, LogoutView, Page,
    PageOf, SessionFilter, SessionView,
};

const LOGOUT: &str =
    "SELECT l.id, l.issuer, l.event_id, l.scope, l.key, c.client_id AS scope_client, l.cause, l.initiator,
  l.exclude_initiator, l.happened_at, l.accepted_at FROM logouts l LEFT JOIN clients c ON c.id = l.client WHERE true";

/// Both tables in the shape of one, as `d`; `c` is the client.
const WORKING: &str =
    "SELECT d.id, d.logout_id, d.issuer, d.client, c.client_id AS client_name, d.state, d.why, d.attempts,
  d.last_outcome, d.last_status, d.whole_subject, d.session_id, d.sid, d.sub, d.created_at, d.due_at, d.settled_at
  FROM deliveries d JOIN clients c ON c.id = d.client WHERE true";
const DELIVERED: &str =
    "SELECT d.id, d.logout_id, d.issuer, d.client, c.client_id AS client_name, d.state, d.why, d.attempts,
  d.last_outcome, d.last_status, d.whole_subject, d.session_id, d.sid, d.sub, d.created_at, d.due_at, d.settled_at
  FROM (SELECT id, logout_id, issuer, client, 1 AS state, NULL AS why, attempts,
               0 AS last_outcome, status AS last_status, whole_subject, session_id, sid, sub, created_at,
               NULL AS due_at, settled_at FROM delivered) d
  JOIN clients c ON c.id = d.client WHERE true";

type Query = QueryBuilder<Sqlite>;

fn push_issuers(query: &mut Query, column: &str, issuer: Option<IssuerKey>, visible: Option<&[IssuerKey]>) {
    if let Some(issuer) = issuer {
        query.push(format!(" AND {column} = ")).push_bind(issuer.0);
    }
    if let Some(visible) = visible {
        let keys: Vec<_> = visible.iter().map(|key| key.0).collect();
        query.push(format!(" AND {column} IN (SELECT value FROM json_each(")).push_bind(Json(keys)).push("))");
    }
}

pub(super) fn push_delivery_filter(query: &mut Query, filter: &DeliveryFilter) {
    push_issuers(query, "d.issuer", filter.issuer, filter.visible.as_deref());
    if let Some(client) = filter.client {
        query.push(" AND d.client = ").push_bind(client.0);
    }
    if let Some(logout) = filter.logout {
        query.push(" AND d.logout_id = ").push_bind(logout.0);
    }
    if let Some(why) = filter.abandoned {
        query.push(" AND d.state = 2 AND d.why = ").push_bind(code(&AbandonReason::ALL, &why));
    }
    if let Some(wanted) = filter.state {
        query.push(" AND d.state = ").push_bind(code(&crate::model::DeliveryState::ALL, &wanted));
    }
}

pub(super) async fn sessions(
    pool: &SqlitePool,
    filter: &SessionFilter,
    page: &Page,
) -> Result<PageOf<SessionView>, StoreError> {
    let mut query = Query::new(
        "SELECT o.id, o.issuer, o.session_id, o.client, o.sid, o.sub, o.subject, o.opened_at, o.expires_at, o.offline,
                o.held, c.client_id AS client_name
         FROM sessions o JOIN clients c ON c.id = o.client WHERE true",
    );
    push_issuers(&mut query, "o.issuer", filter.issuer, filter.visible.as_deref());
    if let Some(session_id) = &filter.session_id {
        query.push(" AND o.session_id = ").push_bind(session_id.as_str());
    }
    if let Some(subject) = &filter.subject {
        query.push(" AND o.subject = ").push_bind(subject.as_str());
    }
    if let Some(client) = filter.client {
        query.push(" AND o.client = ").push_bind(client.0);
    }
    if let Some(after) = page::before_id(page)? {
        query.push(" AND o.id < ").push_bind(after);
    }
    query.push(" ORDER BY o.id DESC LIMIT ").push_bind(page::ask(page));
    let rows: Vec<SessionViewRow> = query.build_query_as().fetch_all(pool).await.map_err(failed)?;
    Ok(page::cut(rows, page, |row| row.id.to_string()).map(SessionViewRow::view))
}

/// A session that a logout left alone does not ask for another one.
pub(super) async fn expired_sessions(
    pool: &SqlitePool,
    issuer: IssuerKey,
    limit: u32,
    now: OffsetDateTime,
) -> Result<Vec<ExpiredSession>, StoreError> {
    let rows: Vec<(String, At)> = sqlx::query_as(
        "SELECT session_id, max(max(expires_at), max(opened_at)) AS ended_at FROM sessions
         WHERE issuer = $1 AND session_id IN
           (SELECT o.session_id FROM sessions o
            WHERE o.issuer = $1 AND o.expires_at < $2 AND NOT o.held
              AND NOT EXISTS (SELECT 1 FROM sessions alive WHERE alive.issuer = o.issuer
                              AND alive.session_id = o.session_id AND alive.expires_at >= $2)
            ORDER BY o.expires_at LIMIT $3)
         GROUP BY session_id ORDER BY ended_at",
    )
    .bind(issuer.0)
    .bind(At(now))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().map(|(session_id, at)| ExpiredSession { session_id, ended_at: at.0 }).collect())
}

pub(super) async fn logouts(
    pool: &SqlitePool,
    filter: &LogoutFilter,
    page: &Page,
) -> Result<PageOf<LogoutView>, StoreError> {
    let mut query = Query::new(LOGOUT);
    push_issuers(&mut query, "l.issuer", filter.issuer, filter.visible.as_deref());
    if let Some(event_id) = &filter.event_id {
        query.push(" AND l.event_id = ").push_bind(event_id.as_str());
    }
    for (key, of) in [(&filter.session_id, scope::SESSION), (&filter.subject, scope::SUBJECT)] {
        if let Some(key) = key {
            query.push(" AND l.scope = ").push_bind(of).push(" AND l.key = ").push_bind(key.as_str());
        }
    }
    if let Some(after) = page::before_id(page)? {
        query.push(" AND l.id < ").push_bind(after);
    }
    query.push(" ORDER BY l.id DESC LIMIT ").push_bind(page::ask(page));
    let rows: Vec<LogoutRow> = query.build_query_as().fetch_all(pool).await.map_err(failed)?;
    let page = page::cut(rows, page, |row| row.id.to_string());
    let counted = count(pool, &page.rows.iter().map(|row| row.id).collect::<Vec<_>>()).await?;
    Ok(PageOf { rows: rows::with_counts(page.rows, &counted), next: page.next })
}

async fn count(pool: &SqlitePool, logouts: &[i64]) -> Result<Vec<CountRow>, StoreError> {
    sqlx::query_as(
        "SELECT logout_id, state, count(*) AS n FROM deliveries
           WHERE logout_id IN (SELECT value FROM json_each($1)) AND NOT (state = 3 AND why = $2) GROUP BY logout_id, state
         UNION ALL SELECT logout_id, 1, count(*) FROM delivered WHERE logout_id IN (SELECT value FROM json_each($1)) GROUP BY logout_id
         UNION ALL SELECT logout_id, $3, 1 FROM expansions WHERE logout_id IN (SELECT value FROM json_each($1))",
    )
    .bind(Json(logouts))
    .bind(page::covered())
    .bind(rows::EXPANDING)
    .fetch_all(pool)
    .await
    .map_err(failed)
}

pub(super) async fn logout_counts(pool: &SqlitePool, ids: &[LogoutId]) -> Result<Vec<(LogoutId, Counts)>, StoreError> {
    let known: Vec<i64> = sqlx::query_scalar("SELECT id FROM logouts WHERE id IN (SELECT value FROM json_each($1))")
        .bind(Json(ids))
        .fetch_all(pool)
        .await
        .map_err(failed)?;
    let counted = count(pool, &known).await?;
    Ok(known.into_iter().map(LogoutId).map(|id| (id, rows::counts(&counted, id))).collect())
}

pub(super) async fn logout(pool: &SqlitePool, id: LogoutId) -> Result<Option<LogoutDetail>, StoreError> {
    let mut query = Query::new(LOGOUT);
    query.push(" AND l.id = ").push_bind(id.0);
    let row: Option<LogoutRow> = query.build_query_as().fetch_optional(pool).await.map_err(failed)?;
    let Some(row) = row else { return Ok(None) };
    let counted = count(pool, &[id.0]).await?;
    let filter = DeliveryFilter { logout: Some(id), ..DeliveryFilter::default() };
    let mut rows = list(pool, WORKING, &filter, (None, page::DETAIL)).await?;
    let left = page::DETAIL - i64::try_from(rows.len()).unwrap_or(page::DETAIL);
    if left > 0 {
        rows.extend(list(pool, DELIVERED, &filter, (None, left)).await?);
    }
    let view = rows::with_counts(vec![row], &counted).into_iter().next();
    let deliveries = rows.into_iter().map(DeliveryRow::view).collect();
    Ok(view.map(|view| LogoutDetail { view, deliveries }))
}

async fn list(
    pool: &SqlitePool,
    table: &'static str,
    filter: &DeliveryFilter,
    (before, limit): (Option<i64>, i64),
) -> Result<Vec<DeliveryRow>, StoreError> {
    let mut query = Query::new(table);
    push_delivery_filter(&mut query, filter);
    if let Some(before) = before {
        query.push(" AND d.id < ").push_bind(before);
    }
    query.push(" ORDER BY d.id DESC LIMIT ").push_bind(limit);
    query.build_query_as().fetch_all(pool).await.map_err(failed)
}

pub(super) async fn deliveries(
    pool: &SqlitePool,
    filter: &DeliveryFilter,
    page: &Page,
) -> Result<PageOf<DeliveryView>, StoreError> {
    let at = (page::before_id(page)?, page::ask(page));
    let wanted = filter.state.map(|wanted| code(&crate::model::DeliveryState::ALL, &wanted));
    let mut rows = Vec::new();
    if wanted != Some(state::DELIVERED) {
        rows.extend(list(pool, WORKING, filter, at).await?);
    }
    if wanted.is_none_or(|wanted| wanted == state::DELIVERED) && filter.abandoned.is_none() {
        rows.extend(list(pool, DELIVERED, filter, at).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.truncate(usize::try_from(at.1).unwrap_or(usize::MAX));
    Ok(page::cut(rows, page, |row| row.id.to_string()).map(DeliveryRow::view))
}

pub(super) async fn delivery(pool: &SqlitePool, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
    let mut found = None;
    for table in [WORKING, DELIVERED] {
        let mut query = Query::new(table);
        query.push(" AND d.id = ").push_bind(id.0);
        let row: Option<DeliveryRow> = query.build_query_as().fetch_optional(pool).await.map_err(failed)?;
        found = found.or(row);
    }
    let Some(row) = found else { return Ok(None) };
    let attempts: Vec<AttemptRow> = sqlx::query_as(
        "SELECT number, started_at, took_us, outcome, status, jti, kid, detail FROM attempts WHERE delivery_id = $1
         UNION ALL SELECT attempts, started_at, took_us, $2, status, jti, kid, detail FROM delivered WHERE id = $1
         ORDER BY number, started_at",
    )
    .bind(id.0)
    .bind(Outcome::Accepted.code())
    .fetch_all(pool)
    .await
    .map_err(failed)?;
    Ok(Some(DeliveryDetail { view: row.view(), attempts: attempts.into_iter().map(AttemptRow::view).collect() }))
}
