//! What do the statements of `record` find? Rows that both stores read.

use sqlx::FromRow;

use super::EventLogout;
use crate::model::{ClientKey, IssuerKey, LogoutId};
use crate::store::batch::SessionKey;
use crate::store::rows::SessionRow;

#[derive(FromRow)]
pub(in crate::store) struct EventLogoutRow {
    issuer: i32,
    event_id: String,
    id: i64,
}

impl EventLogoutRow {
    pub(in crate::store) fn pair(self) -> EventLogout {
        ((IssuerKey(self.issuer), self.event_id), LogoutId(self.id))
    }
}

/// A session, and a logout that covers it.
#[derive(FromRow)]
pub(in crate::store) struct CoveredRow {
    #[sqlx(flatten)]
    pub(in crate::store) session: SessionRow,
    pub(in crate::store) logout_id: i64,
}

#[derive(FromRow)]
pub(in crate::store) struct KeyRow {
    issuer: i32,
    session_id: String,
    client: i32,
    sid: String,
}

impl KeyRow {
    pub(in crate::store) fn key(self) -> SessionKey {
        let (issuer, client) = (IssuerKey(self.issuer), ClientKey(self.client));
        SessionKey { issuer, session_id: self.session_id, client, sid: self.sid }
    }
}

/// A session as a walk comes by.
#[derive(FromRow)]
pub(in crate::store) struct WalkedRow {
    id: i64,
    #[sqlx(flatten)]
    key: KeyRow,
}

impl WalkedRow {
    pub(in crate::store) fn pair(self) -> (i64, SessionKey) {
        (self.id, self.key.key())
    }
}
