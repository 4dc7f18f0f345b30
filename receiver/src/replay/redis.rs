//! How do replicas that share a Redis remember the tokens they have carried out?

use std::fmt;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use redis::Script;
use redis::aio::ConnectionManager;

use super::{Begun, LEASE, ReplayGuard, TokenId};
use crate::shared::Key;
use crate::shared::redis::connect;
use crate::{Clock, StoreError, SystemClock};

static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/begin.lua")));
static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/commit.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/release.lua")));

/// The prefix of all keys, unless set.
const PREFIX: &str = "signoff-receiver:";

/// How much longer than needed Redis keeps a token, in seconds: its clock agrees to the minute.
const MARGIN: i64 = 60;

/// The end of the year 9999: Redis takes no time that is much later.
const FOREVER: i64 = 253_402_300_799;

/// Tokens in a Redis, for any number of replicas. Clones share the connection.
///
/// Redis 5 or later, with `noeviction`: a token it forgets is carried out again, which ends nothing more.
#[derive(Clone)]
pub struct RedisReplayGuard {
    connection: ConnectionManager,
    prefix: String,
    clock: Arc<dyn Clock>,
}

impl RedisReplayGuard {
    /// Over this connection.
    #[must_use]
    pub fn new(connection: ConnectionManager) -> Self {
        Self { connection, prefix: PREFIX.to_owned(), clock: Arc::new(SystemClock) }
    }

    /// Connects to `redis://[user:password@]host[:port][/database]`, and again whenever that breaks.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Ok(Self::new(connect(url).await?))
    }

    /// All keys begin with this; with `signoff-receiver:` unless set. Different applications need
    /// different ones: a token may be addressed to several.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Where the time comes from; the machine unless set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    fn key(&self, token: &TokenId) -> String {
        format!("{}token:{}", self.prefix, Key::token(token).as_str())
    }
}

#[async_trait]
impl ReplayGuard for RedisReplayGuard {
    async fn begin(&self, token: &TokenId) -> Result<Begun, StoreError> {
        let now = self.clock.unix_seconds();
        let lease = now.saturating_add(i64::try_from(LEASE.as_secs()).unwrap_or(i64::MAX));
        let mut call = BEGIN.key(self.key(token));
        call.arg(now).arg(lease).arg(dropped(lease));
        let begun: u8 = call.invoke_async(&mut self.connection.clone()).await?;
        Ok(match begun {
            0 => Begun::Fresh,
            1 => Begun::InFlight,
            _ => Begun::Done,
        })
    }

    async fn commit(&self, token: &TokenId, until: i64) -> Result<(), StoreError> {
        let mut call = COMMIT.key(self.key(token));
        call.arg(until).arg(dropped(until));
        Ok(call.invoke_async(&mut self.connection.clone()).await?)
    }

    async fn release(&self, token: &TokenId) -> Result<(), StoreError> {
        Ok(RELEASE.key(self.key(token)).invoke_async(&mut self.connection.clone()).await?)
    }
}

impl fmt::Debug for RedisReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplayGuard").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn dropped(last_second: i64) -> i64 {
    last_second.saturating_add(MARGIN).min(FOREVER)
}
