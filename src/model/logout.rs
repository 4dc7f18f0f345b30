//! What was accepted? One logout event and the answer its sender gets.

use time::OffsetDateTime;

use super::{Cause, IssuerKey, LogoutId, Scope};

/// One accepted logout event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// The store's key.
    pub id: LogoutId,
    /// The issuer.
    pub issuer: IssuerKey,
    /// The event's id.
    pub event_id: String,
    /// Which sessions it ends.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// The client that started it.
    pub initiator: Option<String>,
    /// Leave the initiator out.
    pub exclude_initiator: bool,
    /// When it happened: the event's time, never later than its receipt.
    pub happened_at: OffsetDateTime,
    /// When it was recorded.
    pub accepted_at: OffsetDateTime,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// Recorded now.
    Recorded,
    /// The same event was recorded before; nothing changed.
    Duplicate,
    /// Understood, and of no concern.
    Ignored,
}

/// The answer to one event, given after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What became of it.
    pub status: ReceiptStatus,
    /// For logouts: the logout that carries its deliveries. For the second logout of an ended
    /// provider session, this is the first.
    pub logout: Option<LogoutId>,
    /// For logouts: deliveries due because of this event (new or armed again).
    pub owed: u32,
    /// For logouts: sessions that may stay signed in, because nothing can be sent.
    pub skipped: u32,
    /// For logouts that cover too much for one transaction: more will be owed.
    pub expanding: bool,
}
