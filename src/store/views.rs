//! What does the API read? Rows as they are shown, filters, pages.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::model::{
    AbandonReason, ClientKey, DeliveryId, DeliveryState, IssuerKey, Logout, LogoutId, Outcome, Session, SkipReason,
};

/// A client registered through the API.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientRecord {
    /// The client.
    pub key: ClientKey,
    /// Its issuer.
    pub issuer: IssuerKey,
    /// Its id at the issuer.
    pub client_id: String,
    /// Its registration metadata.
    pub metadata: serde_json::Value,
    /// Changes with every write; the `ETag`.
    pub version: i64,
}

/// Where a page starts and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// From the last page's `next`.
    pub after: Option<String>,
    /// At most this many rows.
    pub limit: u32,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOf<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<String>,
}

/// Which sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// The issuer.
    pub issuer: Option<IssuerKey>,
    /// The provider session.
    pub session_id: Option<String>,
    /// The provider's key of the user.
    pub subject: Option<String>,
    /// The client.
    pub client: Option<ClientKey>,
    /// Issuers the reader may see; `None`: all.
    pub visible: Option<Vec<IssuerKey>>,
}

/// A session as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// The client's id.
    pub client_id: String,
}

/// A provider session that ended by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredSession {
    /// The provider's own key of it.
    pub session_id: String,
    /// When the last session under it expired, or opened if that was later.
    pub ended_at: OffsetDateTime,
}

/// Which logouts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogoutFilter {
    /// The issuer.
    pub issuer: Option<IssuerKey>,
    /// The event's id.
    pub event_id: Option<String>,
    /// Only those of this provider session.
    pub session_id: Option<String>,
    /// Only those of this subject.
    pub subject: Option<String>,
    /// Issuers the reader may see; `None`: all.
    pub visible: Option<Vec<IssuerKey>>,
}

/// How much of what a logout owed is where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Still owed.
    pub pending: u64,
    /// Delivered.
    pub delivered: u64,
    /// Given up.
    pub abandoned: u64,
    /// Never owed (without those covered by another delivery).
    pub skipped: u64,
    /// More is to come: its sessions are still walked.
    pub expanding: bool,
}

impl Counts {
    /// Whether nothing is owed any more, nor will be.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.pending == 0 && !self.expanding
    }
}

/// A logout as shown in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutView {
    /// The logout.
    pub logout: Logout,
    /// How far it is.
    pub counts: Counts,
}

/// A logout with everything it owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutDetail {
    /// The logout and its counts.
    pub view: LogoutView,
    /// Its deliveries, at most 1,000, unsettled first.
    pub deliveries: Vec<DeliveryView>,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// The state.
    pub state: Option<DeliveryState>,
    /// The issuer.
    pub issuer: Option<IssuerKey>,
    /// The client.
    pub client: Option<ClientKey>,
    /// The logout.
    pub logout: Option<LogoutId>,
    /// Why it was given up.
    pub abandoned: Option<AbandonReason>,
    /// Issuers the reader may see; `None`: all.
    pub visible: Option<Vec<IssuerKey>>,
}

/// A delivery as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryView {
    /// The delivery.
    pub id: DeliveryId,
    /// The logout that owes it.
    pub logout: LogoutId,
    /// The issuer.
    pub issuer: IssuerKey,
    /// The client.
    pub client: ClientKey,
    /// The client's id.
    pub client_id: String,
    /// The provider session it ends, if it ends one.
    pub session_id: Option<String>,
    /// `sid` for the token.
    pub sid: Option<String>,
    /// `sub` for the token.
    pub sub: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why it was given up.
    pub abandoned: Option<AbandonReason>,
    /// Why nothing is sent.
    pub skipped: Option<SkipReason>,
    /// Attempts made.
    pub attempts: u16,
    /// What the last attempt came to.
    pub last_outcome: Option<Outcome>,
    /// The last answer's status code.
    pub last_status: Option<u16>,
    /// When it became owed.
    pub created_at: OffsetDateTime,
    /// When it is due again (or its lease ends), if pending.
    pub due_at: Option<OffsetDateTime>,
    /// When it was settled.
    pub settled_at: Option<OffsetDateTime>,
}

/// One attempt as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptView {
    /// From 1.
    pub number: u16,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// How long it took.
    pub took: Duration,
    /// What it came to.
    pub outcome: Outcome,
    /// The answer's status code.
    pub status: Option<u16>,
    /// The token's `jti`.
    pub jti: Option<Uuid>,
    /// The key that signed it.
    pub kid: Option<String>,
    /// What was kept of the answer, or the error.
    pub detail: String,
}

/// A delivery with its attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryDetail {
    /// The delivery.
    pub view: DeliveryView,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptView>,
}
