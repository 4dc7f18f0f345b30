//! Who holds a session? A client's session under a provider session.

use time::OffsetDateTime;

use super::{ClientKey, IssuerKey, LogoutId};

/// One client's session under a provider session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The issuer.
    pub issuer: IssuerKey,
    /// The provider session.
    pub session_id: String,
    /// The client.
    pub client: ClientKey,
    /// `sid` as the client saw it.
    pub sid: Option<String>,
    /// `sub` as the client saw it.
    pub sub: String,
    /// The provider's own key of the user.
    pub subject: String,
    /// When it was last opened.
    pub opened_at: OffsetDateTime,
    /// When it leaves the registry.
    pub expires_at: OffsetDateTime,
    /// Whether the client holds offline access.
    pub offline: bool,
}

/// A session that a logout covers: what the planner decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The session.
    pub session: Session,
    /// The logout that covers it.
    pub logout: LogoutId,
}
