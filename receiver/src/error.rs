//! Refused for good, or not now? The two are never mixed up.

use std::error::Error as StdError;
use std::sync::Arc;

use crate::Reason;

/// Why a logout did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogoutError {
    /// The request is wrong and stays wrong: HTTP 400.
    #[error("logout request refused: {0}")]
    Rejected(#[from] Reason),
    /// The request may be right, but cannot be judged or carried out now: HTTP 503, so that the
    /// sender tries again.
    #[error("logout not possible now: {0}")]
    Unavailable(#[from] Unavailable),
}

/// What was missing to judge or carry out a logout.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The issuer's keys could not be read, and the keys at hand do not settle the matter.
    #[error("the issuer's keys could not be read")]
    Keys(#[source] Arc<dyn StdError + Send + Sync>),
    /// The session registry, or the store behind the kill hook, failed.
    #[error("the session store failed")]
    Sessions(#[source] StoreError),
    /// The replay guard failed, and was not allowed to.
    #[error("the replay guard failed")]
    Replay(#[source] StoreError),
    /// The same token is being carried out at this moment, and that takes long.
    #[error("the same token is being carried out")]
    InFlight,
}

impl Unavailable {
    /// One sentence in our own words: a store's error may quote what it was asked for.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        match self {
            Self::Keys(_) => "the issuer's keys could not be read; try again",
            Self::Sessions(_) => "the sessions could not be ended; try again",
            Self::Replay(_) => "it cannot be told whether this token is new; try again",
            Self::InFlight => "this token is being carried out; try again",
        }
    }

    /// The stable code, such as `keys_unavailable`.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Keys(_) => "keys_unavailable",
            Self::Sessions(_) => "sessions_unavailable",
            Self::Replay(_) => "replay_unavailable",
            Self::InFlight => "in_flight",
        }
    }
}

/// The whole chain of causes in one line, for the log.
#[cfg(any(
    feature = "verifier",
    feature = "suite",
    feature = "postgres",
    feature = "sqlite",
    feature = "actix-session",
    feature = "tower-sessions"
))]
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// A session store, or a replay guard, that did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("store")]
pub struct StoreError(#[source] Arc<dyn StdError + Send + Sync>);

impl StoreError {
    /// Wraps the store's own error, or a sentence.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Arc::from(cause.into()))
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        Self::new(cause)
    }
}

#[cfg(feature = "redis")]
impl From<redis::RedisError> for StoreError {
    fn from(cause: redis::RedisError) -> Self {
        Self::new(cause)
    }
}
