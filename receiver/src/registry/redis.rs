//! How do replicas that share a Redis remember their sessions?

mod record;
mod scripts;

use std::fmt;

use async_trait::async_trait;
use record::Record;
use redis::aio::ConnectionManager;
use redis::{AsyncCommands as _, FromRedisValue, Script, ScriptInvocation};

use super::{Check, Cursor, Login, Logout, PAGE_SIZE, Page, Registration, SessionAge, SessionRegistry, Standing};
use crate::StoreError;
use crate::shared::Key;
use crate::shared::redis::connect;

/// The prefix of all keys, unless set.
const PREFIX: &str = "signoff-receiver:";

/// Sessions in a Redis, for any number of replicas. Clones share the connection.
///
/// One node, Redis 5 or later, or its primary where it has replicas: each change is one script, which
/// finds out on the way what keys it needs. So not a Cluster. What Redis forgets comes alive again: let it
/// keep its data on disk as long as the sessions are kept, and let it evict nothing (`noeviction`); a
/// failover to a replica that lags behind forgets the last moments.
///
/// For TLS, add the crate `redis` with `tokio-rustls-comp` to the application, and give
/// [`new`](Self::new) a connection to `rediss://`.
#[derive(Clone)]
pub struct RedisRegistry {
    connection: ConnectionManager,
    prefix: String,
    age: SessionAge,
}

impl RedisRegistry {
    /// Over this connection. Sessions live at most 14 days.
    #[must_use]
    pub fn new(connection: ConnectionManager) -> Self {
        Self::with_age(connection, SessionAge::default())
    }

    /// Over this connection, with this greatest age of a session.
    #[must_use]
    pub fn with_age(connection: ConnectionManager, age: SessionAge) -> Self {
        Self { connection, prefix: PREFIX.to_owned(), age }
    }

    /// Connects to `redis://[user:password@]host[:port][/database]`, and again whenever that breaks.
    /// Sessions live at most 14 days.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Ok(Self::new(connect(url).await?))
    }

    /// All keys begin with this; with `signoff-receiver:` unless set. Applications that share a Redis
    /// need not set it as long as they are different clients of their provider.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn call<'s>(&self, script: &'s Script) -> ScriptInvocation<'s> {
        let mut call = script.key(&self.prefix);
        call.arg(self.age.now());
        call
    }

    async fn invoke<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn judged(&self, call: &ScriptInvocation<'_>) -> Result<Standing, StoreError> {
        let alive: bool = self.invoke(call).await?;
        Ok(if alive { Standing::Alive } else { Standing::Ended })
    }

    /// For the tombstone of a local session.
    fn last_second(&self) -> i64 {
        self.age.last_second_of_tombstone(i64::MAX)
    }
}

#[async_trait]
impl SessionRegistry for RedisRegistry {
    async fn register(&self, session: &Registration) -> Result<Standing, StoreError> {
        let mut call = self.call(&scripts::REGISTER);
        call.arg(Key::session(session).as_str()).arg(Key::client(&session.login).as_str());
        call.arg(Record::new(session, &self.age)?.to_text()?);
        self.judged(&call).await
    }

    async fn rekey(&self, old_id: &str, new_id: &str) -> Result<Standing, StoreError> {
        let mut call = self.call(&scripts::REKEY);
        call.arg(Key::local(old_id).as_str()).arg(Key::local(new_id).as_str()).arg(new_id).arg(self.last_second());
        self.judged(&call).await
    }

    async fn unregister(&self, local_id: &str) -> Result<(), StoreError> {
        let mut call = self.call(&scripts::UNREGISTER);
        call.arg(Key::local(local_id).as_str());
        self.invoke(&call).await
    }

    async fn standing(&self, local_id: Option<&str>, login: &Login) -> Result<Standing, StoreError> {
        if self.age.is_over(login) {
            return Ok(Standing::Ended);
        }
        let mut call = self.call(&scripts::STANDING);
        for check in login.checks().into_iter().chain(local_id.map(Check::local)) {
            call.arg(Key::name(&check.name).as_str()).arg(check.since);
        }
        self.judged(&call).await
    }

    async fn logins(&self, local_id: &str) -> Result<Vec<Login>, StoreError> {
        let key = format!("{}session:{}", self.prefix, Key::local(local_id).as_str());
        let held: Vec<String> = self.connection.clone().hvals(key).await?;
        let logins = held.iter().map(|one| Ok(Record::read(one)?.login)).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(logins.into_iter().filter(|login| !self.age.is_over(login)).collect())
    }

    async fn bury(&self, logout: &Logout) -> Result<(), StoreError> {
        let mut call = self.call(&scripts::BURY);
        for tombstone in logout.tombstones() {
            let last = self.age.last_second_of_tombstone(tombstone.at);
            call.arg(Key::name(&tombstone.name).as_str()).arg(tombstone.at).arg(last);
        }
        self.invoke(&call).await
    }

    async fn find(&self, logout: &Logout, after: Option<&Cursor>) -> Result<Page, StoreError> {
        let (score, session) = after.and_then(|cursor| cursor.0.split_once(' ')).unwrap_or_default();
        let mut call = self.call(&scripts::FIND);
        call.arg(Key::client_of(&logout.issuer, &logout.client_id).as_str()).arg(score).arg(session).arg(PAGE_SIZE);
        for name in logout.names() {
            call.arg(Key::name(&name).as_str());
        }
        let mut found: Vec<(String, String, String)> = self.invoke(&call).await?;
        found.sort_by(|one, other| number(&one.0).total_cmp(&number(&other.0)).then_with(|| one.1.cmp(&other.1)));
        found.truncate(PAGE_SIZE);
        let next = found.get(PAGE_SIZE - 1).map(|(score, session, _)| Cursor(format!("{score} {session}")));
        let there = found.iter().filter(|(_, _, login)| !login.is_empty());
        let sessions = there.map(|(_, _, login)| Record::read(login)).collect::<Result<_, _>>()?;
        Ok(Page { sessions, next })
    }

    async fn remove(&self, sessions: &[Registration]) -> Result<Vec<Registration>, StoreError> {
        let mut call = self.call(&scripts::REMOVE);
        call.arg(self.last_second());
        for session in sessions {
            call.arg(Key::session(session).as_str()).arg(Key::client(&session.login).as_str());
            call.arg(record::text(&session.login)?);
        }
        let gone: Vec<bool> = self.invoke(&call).await?;
        Ok(sessions.iter().zip(gone).filter(|(_, gone)| *gone).map(|(session, _)| session.clone()).collect())
    }

    /// Looks at every key of the database. Never needed: Redis drops what is over.
    async fn prune(&self) -> Result<(), StoreError> {
        let pattern: String = self.prefix.chars().flat_map(escaped).chain(['*']).collect();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut self.connection.clone()).await?;
            let mut call = self.call(&scripts::PRUNE);
            call.arg(keys);
            self.invoke::<()>(&call).await?;
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for RedisRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRegistry").field("prefix", &self.prefix).field("age", &self.age).finish_non_exhaustive()
    }
}

fn number(score: &str) -> f64 {
    score.parse().unwrap_or(f64::INFINITY)
}

/// For a glob pattern.
fn escaped(c: char) -> impl Iterator<Item = char> {
    matches!(c, '*' | '?' | '[' | ']' | '^' | '-' | '\\').then_some('\\').into_iter().chain([c])
}
