//! What is said to SQLite?
//!
//! There is one writer at a time: a transaction that reads and then writes begins as one.

use std::collections::HashSet;

use serde_json::{Value, json};
use sqlx::{Result, SqliteExecutor, SqlitePool};

use crate::registry::{Check, Name, PAGE_SIZE, Tombstone};
use crate::shared::{BATCH, Key, Row, read};
use crate::{Registration, SessionAge, StoreError};

pub(super) async fn insert(database: impl SqliteExecutor<'_>, row: &Row) -> Result<()> {
    let sql = "INSERT INTO signoff_receiver_logins (session, client, by_sub, by_other, registration, last_second)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (session, client) DO UPDATE SET by_sub = excluded.by_sub, by_other = excluded.by_other,
          registration = excluded.registration, last_second = excluded.last_second";
    let query = sqlx::query(sql).bind(&row.session).bind(&row.client).bind(&row.by_sub).bind(&row.by_other);
    query.bind(&row.registration).bind(row.last_second).execute(database).await.map(drop)
}

/// Unless it was replaced.
pub(super) async fn withdraw(pool: &SqlitePool, row: &Row) -> Result<()> {
    let sql = "DELETE FROM signoff_receiver_logins WHERE session = $1 AND client = $2 AND registration = $3";
    sqlx::query(sql).bind(&row.session).bind(&row.client).bind(&row.registration).execute(pool).await.map(drop)
}

pub(super) async fn tombstones(pool: &SqlitePool, checks: &[Check], now: i64) -> Result<Vec<String>> {
    let sql = "SELECT t.name FROM json_each($1) c JOIN signoff_receiver_tombstones t
        ON t.name = c.value ->> 0 AND t.at >= c.value ->> 1 AND t.last_second >= $2";
    let checks: Value = checks.iter().map(|check| json!([Key::name(&check.name).as_str(), check.since])).collect();
    sqlx::query_scalar(sql).bind(checks.to_string()).bind(now).fetch_all(pool).await
}

/// The tombstone of a local id goes, if its new login is still there.
pub(super) async fn exhume(pool: &SqlitePool, row: &Row) -> Result<()> {
    let sql = "DELETE FROM signoff_receiver_tombstones WHERE name = $1 AND EXISTS (
        SELECT 1 FROM signoff_receiver_logins WHERE session = $1 AND client = $2 AND registration = $3)";
    sqlx::query(sql).bind(&row.session).bind(&row.client).bind(&row.registration).execute(pool).await.map(drop)
}

pub(super) async fn bury(database: impl SqliteExecutor<'_>, tombstones: &[Tombstone], age: &SessionAge) -> Result<()> {
    let sql = "INSERT INTO signoff_receiver_tombstones AS t (name, at, last_second)
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE TRUE
        ON CONFLICT (name) DO UPDATE
        SET at = max(t.at, excluded.at), last_second = max(t.last_second, excluded.last_second)";
    let row = |one: &Tombstone| json!([Key::name(&one.name).as_str(), one.at, age.last_second_of_tombstone(one.at)]);
    let tombstones: Value = tombstones.iter().map(row).collect();
    sqlx::query(sql).bind(tombstones.to_string()).execute(database).await.map(drop)
}

/// The logins of a local session move to its new id.
pub(super) async fn rekey(pool: &SqlitePool, old_id: &str, new_id: &str, age: &SessionAge) -> Result<Vec<Row>> {
    let (old, new) = (Key::local(old_id), Key::local(new_id));
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let sql = "SELECT session, registration FROM signoff_receiver_logins WHERE session IN ($1, $2)";
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

pub(super) async fn forget(database: impl SqliteExecutor<'_>, session: &Key) -> Result<()> {
    let sql = "DELETE FROM signoff_receiver_logins WHERE session = $1";
    sqlx::query(sql).bind(session.as_str()).execute(database).await.map(drop)
}

pub(super) async fn held(pool: &SqlitePool, session: &Key, now: i64) -> Result<Vec<String>> {
    let sql = "SELECT registration FROM signoff_receiver_logins WHERE session = $1 AND last_second >= $2";
    sqlx::query_scalar(sql).bind(session.as_str()).bind(now).fetch_all(pool).await
}

/// In order of their keys; a session once, since all names of a logout are of one client.
pub(super) async fn find(pool: &SqlitePool, names: &[Name], after: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT * FROM (SELECT session, registration FROM signoff_receiver_logins
          WHERE by_sub = $1 AND session > $2 ORDER BY session LIMIT $3)
        UNION ALL
        SELECT * FROM (SELECT session, registration FROM signoff_receiver_logins
          WHERE by_other = $1 AND session > $2 ORDER BY session LIMIT $3)
        ORDER BY session LIMIT $3";
    let limit = i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for name in names {
        let query = sqlx::query_as(sql).bind(Key::name(name).into_string()).bind(after).bind(limit);
        found.extend(query.fetch_all(pool).await?);
    }
    found.sort_unstable();
    found.truncate(PAGE_SIZE);
    Ok(found)
}

pub(super) async fn remove(
    pool: &SqlitePool,
    sessions: &[Registration],
    age: &SessionAge,
) -> Result<Vec<Registration>> {
    let keys: Value = sessions.iter().map(|one| Key::session(one).into_string()).collect();
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let sql = "SELECT registration FROM signoff_receiver_logins
        WHERE session IN (SELECT value FROM json_each($1))";
    let locked: Vec<String> = sqlx::query_scalar(sql).bind(keys.to_string()).fetch_all(&mut *transaction).await?;
    let held = locked.iter().map(|one| decoded(one)).collect::<Result<HashSet<_>>>()?;
    let gone: Vec<Registration> = sessions.iter().filter(|one| held.contains(*one)).cloned().collect();
    let mut ids: Vec<&str> = gone.iter().map(|one| one.local_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let keys: Value = ids.iter().map(|id| Key::local(id).into_string()).collect();
    let sql = "DELETE FROM signoff_receiver_logins WHERE session IN (SELECT value FROM json_each($1))";
    sqlx::query(sql).bind(keys.to_string()).execute(&mut *transaction).await?;
    let tombstones: Vec<Tombstone> = ids.iter().map(|id| Tombstone::local(id)).collect();
    bury(&mut *transaction, &tombstones, age).await?;
    transaction.commit().await?;
    Ok(gone)
}

/// Drops what is over, a batch of each; whether there may be more.
pub(super) async fn sweep(pool: &SqlitePool, now: i64) -> Result<bool> {
    let logins = "DELETE FROM signoff_receiver_logins WHERE (session, client) IN (
        SELECT session, client FROM signoff_receiver_logins WHERE last_second < $1
        ORDER BY last_second LIMIT $2)";
    let tombstones = "DELETE FROM signoff_receiver_tombstones WHERE name IN (
        SELECT name FROM signoff_receiver_tombstones WHERE last_second < $1
        ORDER BY last_second LIMIT $2)";
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
