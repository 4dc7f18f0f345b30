//! What did the provider say? The one shape every format parses into.

use time::OffsetDateTime;

use super::{Cause, IssuerKey};

/// One thing the provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Who said it: the issuer as the store knows it.
    pub issuer: IssuerKey,
    /// The event's id; with the issuer, the idempotency key.
    pub id: String,
    /// When it happened, as the provider says; `None`: at receipt.
    pub time: Option<OffsetDateTime>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A client opened a session under a provider session.
    Opened(Opening),
    /// A client ended its session itself.
    Closed(Closing),
    /// Sessions must end.
    Logout(LogoutRequest),
}

impl EventKind {
    /// The label used in metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Closed(_) => "closed",
            Self::Logout(_) => "logout",
        }
    }
}

/// A client's session began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The provider's own key of the provider session.
    pub session_id: String,
    /// The provider's own key of the user.
    pub subject: String,
    /// Which client.
    pub client_id: String,
    /// `sid` as the client saw it in its ID token, if it saw one.
    pub sid: Option<String>,
    /// `sub` as the client saw it in its ID token.
    pub sub: String,
    /// When the session leaves the registry at the latest.
    pub expires_at: Option<OffsetDateTime>,
    /// Whether the client holds offline access.
    pub offline: bool,
}

/// A client's session ended at the client; nothing is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The provider session.
    pub session_id: String,
    /// Which client.
    pub client_id: String,
}

/// Sessions must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutRequest {
    /// Which sessions.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// The client that started it.
    pub initiator: Option<String>,
    /// Leave the initiator out.
    pub exclude_initiator: bool,
    /// Targets the provider names itself, besides those in the registry.
    pub sessions: Vec<NamedSession>,
}

/// Which sessions a logout ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everything under one provider session, whenever opened.
    Session {
        /// The provider session.
        session_id: String,
    },
    /// All the user's sessions opened up to the logout, at one client if named.
    Subject {
        /// The user.
        subject: String,
        /// Only at this client.
        client_id: Option<String>,
    },
    /// All sessions opened up to the logout, of one client or of the whole issuer.
    Bulk {
        /// Only at this client.
        client_id: Option<String>,
    },
}

impl Scope {
    /// Whether it ends what was opened up to a time, and leaves a fence for what comes late.
    #[must_use]
    pub const fn is_wide(&self) -> bool {
        !matches!(self, Self::Session { .. })
    }
}

/// A session the provider names in the logout itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSession {
    /// Which client.
    pub client_id: String,
    /// `sid` as that client saw it.
    pub sid: Option<String>,
    /// `sub` as that client saw it.
    pub sub: Option<String>,
}
