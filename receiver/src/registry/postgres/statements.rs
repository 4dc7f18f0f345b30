//! What is said to Postgres?
//!
//! Locks are taken in one order: logins by key, then tombstones by key. A session that takes an id which
//! another has at that moment may break it: then Postgres ends one of the two, which is `retried!`.

use std::collections::HashSet;

use sqlx::{PgExecutor, PgPool, Result};

use crate::registry::{Check, Name, PAGE_SIZE, Tombstone};
use crate::shared::{BATCH, Key, Row, read};
use crate::{Registration, SessionAge, StoreError};

/// How often a statement is tried that others were in the way of.
pub(super) const TRIES: u32 = 8;

/// A deadlock, or a failed serialization where the application has made that its default.
pub(super) fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("40P01" | "40001"))
}

/// What the work gives in the end.
macro_rules! retried {
    ($work:expr) => {{
        let mut tries = 1;
        loop {
            match $work.await {
                Err(error) if tries < statements::TRIES && statements::is_conflict(&error) => tries += 1,
                done => break done,
            }
        }
    }};
}
pub(super) use retried;

pub(super) async fn insert(database: impl PgExecutor<'_>, row: &Row) -> Result<()> {
    let sql = "INSERT INTO signoff_receiver_logins (session, client, by_sub, by_other, registration, last_second)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (session, client) DO UPDATE SET by_sub = excluded.by_sub, by_other = excluded.by_other,
          registration = excluded.registration, last_second = excluded.last_second";
    let query = sqlx::query(sql).bind(&row.session).bind(&row.client).bind(&row.by_sub).bind(&row.by_other);
    query.bind(&row.registration).bind(row.last_second).execute(database).await.map(drop)
}

/// Unless it was replaced.
pub(super) async fn withdraw(pool: &PgPool, row: &Row) -> Result<()> {
    let sql = "DELETE FROM signoff_receiver_logins WHERE session = $1 AND client = $2 AND registration = $3";
    sqlx::query(sql).bind(&row.session).bind(&row.client).bind(&row.registration).execute(pool).await.map(drop)
}

pub(super) async fn tombstones(pool: &PgPool, checks: &[Check], now: i64) -> Result<Vec<String>> {
    let sql = "SELECT t.name FROM unnest($1::text[], $2::bigint[]) AS c (name, since)
        JOIN signoff_receiver_tombstones t ON t.name = c.name COLLATE \"C\" AND t.at >= c.since AND t.last_second >= $3";
    let names: Vec<String> = checks.iter().map(|check| Key::name(&check.name).into_string()).collect();
    let since: Vec<i64> = checks.iter().map(|check| check.since).collect();
    sqlx::query_scalar(sql).bind(names).bind(since).bind(now).fetch_all(pool).await
}

/// The tombstone of a local id goes, if its new login is still there. The login is locked first:
/// whoever removes it a moment later puts up the tombstone again, and that one stays.
pub(super) async fn exhume(pool: &PgPool, row: &Row) -> Result<()> {
    let sql = "WITH mine AS MATERIALIZED (SELECT FROM signoff_receiver_logins
          WHERE session = $1 AND client = $2 AND registration = $3 FOR UPDATE)
        DELETE FROM signoff_receiver_tombstones WHERE name = $1 AND EXISTS (SELECT FROM mine)";
    sqlx::query(sql).bind(&row.session).bind(&row.client).bind(&row.registration).execute(pool).await.map(drop)
}

pub(super) async fn bury(database: impl PgExecutor<'_>, tombstones: &[Tombstone], age: &SessionAge) -> Result<()> {
    let sql = "INSERT INTO signoff_receiver_tombstones AS t (name, at, last_second)
        SELECT n, a, l FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS b (n, a, l) ORDER BY n COLLATE \"C\"
        ON CONFLICT (name) DO UPDATE
        SET at = greatest(t.at, excluded.at), last_second = greatest(t.last_second, excluded.last_second)";
    let names: Vec<String> = tombstones.iter().map(|one| Key::name(&one.name).into_string()).collect();
    let at: Vec<i64> = tombstones.iter().map(|one| one.at).collect();
    let last: Vec<i64> = at.iter().map(|at| age.last_second_of_tombstone(*at)).collect();
    sqlx::query(sql).bind(names).bind(at).bind(last).execute(database).await.map(drop)
}

/// The logins of a local session move to its new id.
pub(super) async fn rekey(pool: &PgPool, old_id: &str, new_id: &str, age: &SessionAge) -> Result<Vec<Row>> {
    let (old, new) = (Key::local(old_id), Key::local(new_id));
    let mut transaction = pool.begin().await?;
    let sql = "SELECT session, registration FROM signoff_receiver_logins WHERE session IN ($1, $2)
        ORDER BY session, client FOR UPDATE";
    let locked: Vec<(String, String)> =
        sqlx::query_as(sql).bind(old.as_str()).bind(new.as_str()).fetch_all(&mut *transaction).await?;
    let mut moved = Vec::new();
    for (_, registration) in locked.iter().filter(|(session, _)| session == old.as_str()) {
        moved.push(Row::new(&Registration::new(new_id, decoded(registration)?.login), age).map_err(encoding)?);
    }
    if old != new && !moved.is_empty() {
        forget(&mut *transaction, &old).await?;
        for row in &moved {
            insert(&mut *transaction, row).await?;
        }
    }
    transaction.commit().await?;
    Ok(moved)
}

pub(super) async fn forget(database: impl PgExecutor<'_>, session: &Key) -> Result<()> {
    let sql = "DELETE FROM signoff_receiver_logins WHERE session = $1";
    sqlx::query(sql).bind(session.as_str()).execute(database).await.map(drop)
}

pub(super) async fn held(pool: &PgPool, session: &Key, now: i64) -> Result<Vec<String>> {
    let sql = "SELECT registration FROM signoff_receiver_logins WHERE session = $1 AND last_second >= $2";
    sqlx::query_scalar(sql).bind(session.as_str()).bind(now).fetch_all(pool).await
}

/// In order of their keys; a session once, since all names of a logout are of one client.
pub(super) async fn find(pool: &PgPool, names: &[Name], after: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT l.session, l.registration FROM unnest($1::text[]) AS n (name) CROSS JOIN LATERAL (
          (SELECT session, registration FROM signoff_receiver_logins
           WHERE by_sub = n.name COLLATE \"C\" AND session > $2 ORDER BY session LIMIT $3)
          UNION ALL
          (SELECT session, registration FROM signoff_receiver_logins
           WHERE by_other = n.name COLLATE \"C\" AND session > $2 ORDER BY session LIMIT $3)) AS l
        ORDER BY l.session LIMIT $3";
    let names: Vec<String> = names.iter().map(|name| Key::name(name).into_string()).collect();
    let limit = i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
    sqlx::query_as(sql).bind(names).bind(after).bind(limit).fetch_all(pool).await
}

pub(super) async fn remove(pool: &PgPool, sessions: &[Registration], age: &SessionAge) -> Result<Vec<Registration>> {
    let keys: Vec<String> = sessions.iter().map(|one| Key::session(one).into_string()).collect();
    let mut transaction = pool.begin().await?;
    let sql = "SELECT registration FROM signoff_receiver_logins WHERE session = ANY($1)
        ORDER BY session, client FOR UPDATE";
    let locked: Vec<String> = sqlx::query_scalar(sql).bind(keys).fetch_all(&mut *transaction).await?;
    let held = locked.iter().map(|one| decoded(one)).collect::<Result<HashSet<_>>>()?;
    let gone: Vec<Registration> = sessions.iter().filter(|one| held.contains(*one)).cloned().collect();
    let mut ids: Vec<&str> = gone.iter().map(|one| one.local_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let keys: Vec<String> = ids.iter().map(|id| Key::local(id).into_string()).collect();
    let sql = "DELETE FROM signoff_receiver_logins WHERE session = ANY($1)";
    sqlx::query(sql).bind(keys).execute(&mut *transaction).await?;
    let tombstones: Vec<Tombstone> = ids.iter().map(|id| Tombstone::local(id)).collect();
    bury(&mut *transaction, &tombstones, age).await?;
    transaction.commit().await?;
    Ok(gone)
}

/// Drops what is over, a batch of each; whether there may be more.
pub(super) async fn sweep(pool: &PgPool, now: i64) -> Result<bool> {
    // Locked rows are somebody's who is writing them: the next sweep will do.
    let logins = "DELETE FROM signoff_receiver_logins WHERE (session, client) IN (
        SELECT session, client FROM signoff_receiver_logins WHERE last_second < $1
        ORDER BY last_second LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let tombstones = "DELETE FROM signoff_receiver_tombstones WHERE name IN (
        SELECT name FROM signoff_receiver_tombstones WHERE last_second < $1
        ORDER BY last_second LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let mut more = false;
    for sql in [logins, tombstones] {
        let dropped = sqlx::query(sql).bind(now).bind(BATCH).execute(pool).await?;
        more = more || dropped.rows_affected() >= BATCH.unsigned_abs();
    }
    Ok(more)
}

fn decoded(registration: &str) -> Result<Registration> {
    read(registration).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn encoding(error: StoreError) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
