//! What is owed? One logout token to one client.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{Cause, ClientKey, DeliveryId, IssuerKey, LeaseId, LogoutId, Outcome};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Owed: due, waiting for its time, or being tried.
    Pending,
    /// The client has it.
    Delivered,
    /// Given up.
    Abandoned,
    /// Never owed: see the reason.
    Skipped,
}

impl DeliveryState {
    /// Every state, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Abandoned, Self::Skipped];

    /// The name used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Abandoned => "abandoned",
            Self::Skipped => "skipped",
        }
    }
}

/// Equal outcomes in a row, which some limits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streak {
    /// The outcome.
    pub outcome: Outcome,
    /// How often in a row.
    pub count: u16,
    /// For how long, measured when the delivery was leased.
    pub lasted: Duration,
}

/// One logout token owed to one client: what an attempt and a verdict need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The store's key.
    pub id: DeliveryId,
    /// The logout that owes it.
    pub logout: LogoutId,
    /// The issuer.
    pub issuer: IssuerKey,
    /// The client.
    pub client: ClientKey,
    /// `sid` for the token; `None` where the client saw none or the token is for the whole subject.
    pub sid: Option<String>,
    /// `sub` for the token.
    pub sub: Option<String>,
    /// Why the session ended.
    pub cause: Cause,
    /// Attempts made since it was owed or armed again.
    pub tries: u16,
    /// Attempts made in all.
    pub attempts: u16,
    /// How long it has been owed (or armed again), measured when it was leased.
    pub owed_for: Duration,
    /// When its logout was accepted (the database's clock).
    pub accepted_at: OffsetDateTime,
    /// Equal outcomes in a row so far.
    pub streak: Option<Streak>,
    /// One of many that a wide logout owes: it gives way to others.
    pub bulk: bool,
}

/// A delivery this replica may start attempts of, for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The delivery.
    pub delivery: Delivery,
    /// The hand-off; fences retry and abandon.
    pub lease: LeaseId,
    /// Our own monotonic clock, read before the statement was sent: the lease ends this long
    /// after `since` or later.
    pub since: Instant,
    /// How long the lease lasts.
    pub lasts: Duration,
}

impl Leased {
    /// Whether an attempt that starts at `now` and takes `deadline` ends within the lease.
    #[must_use]
    pub fn outlives(&self, now: Instant, deadline: Duration) -> bool {
        now.saturating_duration_since(self.since) + deadline <= self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leased(lasts: u64) -> Leased {
        Leased {
            delivery: Delivery {
                id: DeliveryId(1),
                logout: LogoutId(1),
                issuer: IssuerKey(1),
                client: ClientKey(1),
                sid: None,
                sub: Some("u".into()),
                cause: Cause::Unspecified,
                tries: 0,
                attempts: 0,
                owed_for: Duration::ZERO,
                accepted_at: OffsetDateTime::UNIX_EPOCH,
                streak: None,
                bulk: false,
            },
            lease: LeaseId(1),
            #[expect(clippy::disallowed_methods, reason = "a test's own start")]
            since: Instant::now(),
            lasts: Duration::from_secs(lasts),
        }
    }

    #[test]
    fn an_attempt_must_end_within_the_lease() {
        let row = leased(30);
        let deadline = Duration::from_secs(12);
        assert!(row.outlives(row.since + Duration::from_secs(18), deadline));
        assert!(!row.outlives(row.since + Duration::from_millis(18_001), deadline));
    }
}
