//! What happened to one HTTP try?

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// What one attempt came to (DESIGN: the table of answers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 2xx.
    Accepted,
    /// 400, 410, 501: the client says no.
    Refused,
    /// Any other 3xx or 4xx: this is not the endpoint.
    Misdirected,
    /// 500 and other 5xx.
    Failing,
    /// 408, 425, 429, 502, 503, 504, no connection, TLS failure, timeout.
    Unavailable,
    /// The address is not allowed; no packet left.
    Blocked,
    /// No key for the client's algorithm; no packet left.
    Unsignable,
}

impl Outcome {
    /// Every outcome, in the order of their codes.
    pub const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Refused,
        Self::Misdirected,
        Self::Failing,
        Self::Unavailable,
        Self::Blocked,
        Self::Unsignable,
    ];

    /// The name used in metrics and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Misdirected => "misdirected",
            Self::Failing => "failing",
            Self::Unavailable => "unavailable",
            Self::Blocked => "blocked",
            Self::Unsignable => "unsignable",
        }
    }

    /// The number stored for it.
    #[must_use]
    pub fn code(self) -> i16 {
        Self::ALL.iter().position(|o| *o == self).and_then(|place| i16::try_from(place).ok()).unwrap_or_default()
    }

    /// The outcome of this number.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code).ok().and_then(|i| Self::ALL.get(i)).copied()
    }
}

/// One HTTP try and what came of it. Only `settle` turns it into a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it came to.
    pub outcome: Outcome,
    /// The status line's code, if an answer came.
    pub status: Option<u16>,
    /// `Retry-After`, as a delay from the answer.
    pub retry_after: Option<Duration>,
    /// The token's `jti`, if one was signed.
    pub jti: Option<Uuid>,
    /// The key that signed it.
    pub kid: Option<String>,
    /// When it began (wall clock of this replica).
    pub started_at: OffsetDateTime,
    /// How long the whole exchange took.
    pub took: Duration,
    /// What is kept of the answer, or the error: at most 256 printable characters, no token.
    pub detail: String,
}
