//! Has this token been carried out before? Begun before the sessions die, committed after, released
//! when they could not be ended, so that the sender's retry works (section 2.6, on `jti`).
//!
//! To add a store: implement [`ReplayGuard`] in a file beside `memory.rs`, and let the behaviour suite
//! of the feature `suite` try it.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "suite")]
pub mod suite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use memory::MemoryReplayGuard;
#[cfg(feature = "postgres")]
pub use postgres::PostgresReplayGuard;
#[cfg(feature = "redis")]
pub use redis::RedisReplayGuard;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteReplayGuard;

use crate::{LogoutToken, StoreError};

/// How long a token stays in flight that was begun and never committed nor released, because the
/// process died or the sender hung up. After that it may be begun again.
pub const LEASE: Duration = Duration::from_secs(30);

/// Which token it is: `jti` is unique at its issuer only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId {
    /// `iss`.
    pub issuer: String,
    /// `jti`.
    pub jti: String,
}

impl From<&LogoutToken> for TokenId {
    fn from(token: &LogoutToken) -> Self {
        Self { issuer: token.iss.clone(), jti: token.jti.clone() }
    }
}

/// What is known about a token that just came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Begun {
    /// Nothing: it is ours to carry out, and everybody else now sees it in flight.
    Fresh,
    /// Somebody is carrying it out at this moment.
    InFlight,
    /// It has been carried out.
    Done,
}

/// Remembers tokens, at least as long as they would be accepted.
///
/// A guard that cannot remember one more token fails rather than forget one. Carrying a token out
/// twice does no harm, since ending sessions is idempotent: so a lease that runs out needs no fence.
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Begins with a token. Of any number that begin at once, at all replicas, one hears
    /// [`Begun::Fresh`].
    async fn begin(&self, token: &TokenId) -> Result<Begun, StoreError>;

    /// It has been carried out. Remembered to the end of the second `until`, since the Unix epoch, from
    /// when on the token is refused anyway.
    async fn commit(&self, token: &TokenId, until: i64) -> Result<(), StoreError>;

    /// It could not be carried out: forgotten, unless it is already committed.
    async fn release(&self, token: &TokenId) -> Result<(), StoreError>;
}

#[async_trait]
impl<G: ReplayGuard + ?Sized> ReplayGuard for Arc<G> {
    async fn begin(&self, token: &TokenId) -> Result<Begun, StoreError> {
        (**self).begin(token).await
    }

    async fn commit(&self, token: &TokenId, until: i64) -> Result<(), StoreError> {
        (**self).commit(token, until).await
    }

    async fn release(&self, token: &TokenId) -> Result<(), StoreError> {
        (**self).release(token).await
    }
}
